// What goes to the sockets: operations gathered by connection, one send each, and the queue of what was not taken.
#include <sys/syscall.h>
#include <unistd.h>
#include <cerrno>
#include <cstring>

#include "poller.h"

namespace millrace {

namespace {
constexpr int kPartsMax = 256;
// Parts of a message up to this size are put together first: cheaper than having the kernel read a vector.
constexpr size_t kFlatMax = 2048;

ssize_t SendParts(int fd, iovec* parts, int count, size_t bytes) {
  if (count == 1) return SendOne(fd, parts[0].iov_base, parts[0].iov_len);
  if (bytes > kFlatMax) {
    msghdr message{};
    message.msg_iov = parts;
    message.msg_iovlen = static_cast<size_t>(count);
    return ::syscall(SYS_sendmsg, fd, &message, MSG_NOSIGNAL);
  }
  char flat[kFlatMax];
  size_t at = 0;
  for (int i = 0; i < count; i++) {
    std::memcpy(flat + at, parts[i].iov_base, parts[i].iov_len);
    at += parts[i].iov_len;
  }
  return SendOne(fd, flat, at);
}
}  // namespace

// Operations of one connection in their order, those of different connections in any: streams of many connections mix on
// one, and each connection's writes shall leave in one system call all the same (transport.ts, law 11).
void Poller::Execute(int32_t count) {
  batch_++;
  const int32_t* ops = memory_.ops;
  for (int32_t i = 0; i < count; i++) {
    Conn* conn = conns_.At(ops[static_cast<ptrdiff_t>(i) * kEntryInts + 1]);
    next_op_[static_cast<size_t>(i)] = -1;
    if (conn == nullptr) continue;
    if (conn->batch == batch_) {
      next_op_[static_cast<size_t>(conn->last_op)] = i;
    } else {
      conn->batch = batch_;
      conn->first_op = i;
    }
    conn->last_op = i;
  }
  for (int32_t i = 0; i < count; i++) {
    int32_t slot = ops[static_cast<ptrdiff_t>(i) * kEntryInts + 1];
    Conn* conn = conns_.At(slot);
    if (conn != nullptr && conn->batch == batch_ && conn->first_op == i) ExecuteOf(slot, i);
  }
}

// The operations of one connection, from the first one on.
void Poller::ExecuteOf(int32_t slot, int32_t first) {
  iovec parts[kPartsMax];
  int used = 0;
  size_t bytes = 0;
  for (int32_t at = first; at >= 0; at = next_op_[static_cast<size_t>(at)]) {
    const int32_t* op = memory_.ops + static_cast<ptrdiff_t>(at) * kEntryInts;
    if (used > 0 && (op[0] != kOpWrite || used == kPartsMax)) {
      Write(slot, parts, used, bytes);
      used = 0;
      bytes = 0;
    }
    if (op[0] != kOpWrite) {
      ExecuteOne(slot, op);
      continue;
    }
    parts[used].iov_base = memory_.arena + op[2];
    parts[used].iov_len = static_cast<size_t>(op[3]);
    bytes += static_cast<size_t>(op[3]);
    used++;
  }
  if (used > 0) Write(slot, parts, used, bytes);
}

void Poller::Write(int32_t slot, iovec* parts, int count, size_t bytes) {
  if (conns_.At(slot)->tls != nullptr) SendTls(slot, parts, count);
  else Send(slot, parts, count, bytes);
}

// Anything but a write.
void Poller::ExecuteOne(int32_t slot, const int32_t* op) {
  Conn* conn = conns_.At(slot);
  if (conn->fd < 0) return;
  switch (op[0]) {
    case kOpHold:
      conn->flags |= kHeld;
      break;
    case kOpRelease:
      conn->flags &= ~static_cast<uint32_t>(kHeld);
      if ((conn->flags & kReadable) != 0) ReadAgain(slot);
      break;
    case kOpEnd:
      End(slot, op[2]);
      break;
    case kOpShutdown:
      Shutdown(slot);
      break;
    case kOpAbort:
      ResetAndClose(conn->fd);
      conn->fd = -1;
      Close(slot, 0, true);
      break;
    case kOpHighMark:
      conn->high_mark = static_cast<uint32_t>(op[2]);
      break;
    case kOpOpen:
      OpenTls(slot);
      break;
    default:
      break;
  }
}

void Poller::Send(int32_t slot, iovec* parts, int count, size_t bytes) {
  Conn* conn = conns_.At(slot);
  if (conn == nullptr || conn->fd < 0 || (conn->flags & (kBroken | kShutDown | kEnding)) != 0) return;
  size_t sent = 0;
  if (conn->queued() == 0 && (conn->flags & kConnecting) == 0) {
    ssize_t wrote;
    do {
      wrote = SendParts(conn->fd, parts, count, bytes);
    } while (wrote < 0 && errno == EINTR);
    if (wrote < 0 && errno != EAGAIN) {
      Fail(slot, errno);
      return;
    }
    sent = wrote > 0 ? static_cast<size_t>(wrote) : 0;
    if (sent == bytes) return;
  }
  conn->queue.Append(parts, count, sent);
  if (conn->queued() >= conn->high_mark) conn->flags |= kFull;
  if (sent > 0) {
    // A short write without EAGAIN makes no edge: ask until the kernel says so.
    Flush(slot);
    conn = conns_.At(slot);
    if (conn->fd < 0 || conn->queued() == 0) return;
  }
  ring_.Emit(kEventQueued, slot, static_cast<int32_t>(conn->queued()), 0);
}

void Poller::Flush(int32_t slot) {
  Conn* conn = conns_.At(slot);
  size_t before = conn->queued();
  // Until the kernel takes no more: only then does an edge tell of new room.
  while (conn->queued() > 0) {
    ssize_t wrote = SendOne(conn->fd, conn->queue.data(), conn->queued());
    if (wrote < 0 && errno == EINTR) continue;
    if (wrote < 0 && errno == EAGAIN) break;
    if (wrote < 0) {
      Fail(slot, errno);
      return;
    }
    conn->queue.Skip(static_cast<size_t>(wrote));
  }
  if (conn->queued() > 0) {
    if ((conn->flags & kFull) != 0 && conn->queued() <= conn->high_mark / 2) {
      conn->flags &= ~static_cast<uint32_t>(kFull);
      ring_.Emit(kEventWritable, slot, static_cast<int32_t>(conn->queued()), 0);
    } else if (conn->queued() != before) {
      // Who reads slowly is not idle.
      ring_.Emit(kEventQueued, slot, static_cast<int32_t>(conn->queued()), 0);
    }
    return;
  }
  // An idle connection holds no buffer.
  conn->queue.Free();
  conn->flags &= ~static_cast<uint32_t>(kFull);
  ring_.Emit(kEventWritable, slot, 0, 0);
  AfterFlush(slot);
}

}  // namespace millrace
