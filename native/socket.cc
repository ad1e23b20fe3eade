// Thin wrappers over the socket calls.
#include "socket.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <cerrno>
#include <cstddef>
#include <cstring>

namespace millrace {

bool MakeAddress(int family, const std::string& host, int port, SocketAddress* out) {
  std::memset(&out->storage, 0, sizeof out->storage);
  if (family == 4) {
    auto* in = reinterpret_cast<sockaddr_in*>(&out->storage);
    in->sin_family = AF_INET;
    in->sin_port = htons(static_cast<uint16_t>(port));
    out->length = sizeof *in;
    return inet_pton(AF_INET, host.c_str(), &in->sin_addr) == 1;
  }
  if (family == 6) {
    auto* in = reinterpret_cast<sockaddr_in6*>(&out->storage);
    in->sin6_family = AF_INET6;
    in->sin6_port = htons(static_cast<uint16_t>(port));
    out->length = sizeof *in;
    return inet_pton(AF_INET6, host.c_str(), &in->sin6_addr) == 1;
  }
  auto* un = reinterpret_cast<sockaddr_un*>(&out->storage);
  if (host.empty() || host.size() >= sizeof un->sun_path) return false;
  un->sun_family = AF_UNIX;
  std::memcpy(un->sun_path, host.c_str(), host.size());
  // An abstract name is written with a leading '@'.
  if (host[0] == '@') un->sun_path[0] = '\0';
  out->length = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + host.size() + (host[0] == '@' ? 0 : 1));
  return true;
}

int OpenStream(int family) {
  int fd = ::socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  return fd < 0 ? -errno : fd;
}

ssize_t Recv(int fd, void* to, size_t room) { return ::syscall(SYS_recvfrom, fd, to, room, 0, nullptr, nullptr); }

ssize_t SendOne(int fd, const void* from, size_t length) {
  return ::syscall(SYS_sendto, fd, from, length, MSG_NOSIGNAL, nullptr, 0);
}

void SetNoDelay(int fd) {
  int on = 1;
  // Unix sockets refuse; they have no Nagle to turn off.
  (void)::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
}

// A unix socket whose file is left over from a dead process can't be bound again: remove it when nobody answers.
static void RemoveStaleSocket(const SocketAddress& address) {
  const auto* un = reinterpret_cast<const sockaddr_un*>(&address.storage);
  struct stat about {};
  if (un->sun_path[0] == '\0' || ::stat(un->sun_path, &about) != 0 || !S_ISSOCK(about.st_mode)) return;
  int fd = OpenStream(AF_UNIX);
  if (fd < 0) return;
  if (::connect(fd, reinterpret_cast<const sockaddr*>(&address.storage), address.length) != 0 && errno == ECONNREFUSED)
    ::unlink(un->sun_path);
  ::close(fd);
}

int OpenListener(const SocketAddress& address, int backlog, bool reuse_port) {
  int family = address.storage.ss_family;
  if (family == AF_UNIX) RemoveStaleSocket(address);
  int fd = OpenStream(family);
  if (fd < 0) return fd;
  int on = 1;
  if (family != AF_UNIX) ::setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  if (family == AF_INET6) ::setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on);
  if (reuse_port) ::setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on);
  if (::bind(fd, reinterpret_cast<const sockaddr*>(&address.storage), address.length) != 0 || ::listen(fd, backlog) != 0) {
    int error = errno;
    ::close(fd);
    return -error;
  }
  return fd;
}

void ResetAndClose(int fd) {
  linger now{1, 0};
  ::setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
  ::close(fd);
}

bool DescribeAddress(int fd, bool is_peer, int* family, std::string* host, int* port) {
  sockaddr_storage storage{};
  socklen_t length = sizeof storage;
  auto* address = reinterpret_cast<sockaddr*>(&storage);
  if ((is_peer ? ::getpeername(fd, address, &length) : ::getsockname(fd, address, &length)) != 0) return false;
  char text[INET6_ADDRSTRLEN] = "";
  if (storage.ss_family == AF_INET) {
    auto* in = reinterpret_cast<sockaddr_in*>(&storage);
    inet_ntop(AF_INET, &in->sin_addr, text, sizeof text);
    *family = 4;
    *port = ntohs(in->sin_port);
    *host = text;
  } else if (storage.ss_family == AF_INET6) {
    auto* in = reinterpret_cast<sockaddr_in6*>(&storage);
    inet_ntop(AF_INET6, &in->sin6_addr, text, sizeof text);
    *family = 6;
    *port = ntohs(in->sin6_port);
    *host = text;
  } else {
    auto* un = reinterpret_cast<sockaddr_un*>(&storage);
    *family = 1;
    *port = 0;
    *host = length > offsetof(sockaddr_un, sun_path) ? un->sun_path : "";
  }
  return true;
}

}  // namespace millrace
