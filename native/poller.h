// The event loop stage of one worker: sockets in, batches of events out; batches of operations in, sockets out.
#pragma once
#include <sys/epoll.h>
#include <sys/uio.h>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "conn_table.h"
#include "event_ring.h"
#include "handoff.h"
#include "listeners.h"
#include "slot_queue.h"
#include "socket.h"
#include "tls_io.h"

namespace millrace {

struct PollerMemory {
  int32_t* events;  // kEventsMax entries
  int32_t* ops;     // kOpsMax entries
  double* clock;    // [0] monotonic microseconds since start, [1] epoch milliseconds
  uint8_t* arena;
  size_t arena_bytes;
  size_t slab_bytes;  // the arena's first part, into which recv() writes
};

class Poller {
 public:
  Poller(int32_t worker, const PollerMemory& memory);
  ~Poller();
  Poller(const Poller&) = delete;
  Poller& operator=(const Poller&) = delete;

  [[nodiscard]] int epoll_fd() const { return epoll_fd_; }
  // For the next Gather(): waits so many milliseconds (-1: for ever) until something is ready; not at all when something is left.
  // False: nothing is.
  [[nodiscard]] bool Wait(int timeout_ms);
  // The event loop's descriptor: ends a wait too, and TakeLoopReady() tells of it.
  void WatchLoop(int fd);
  [[nodiscard]] bool TakeLoopReady() { return std::exchange(is_loop_ready_, false); }
  // Fills the event ring with what is ready now; 0 = nothing. The slots of closes reported before are free afterwards.
  [[nodiscard]] int32_t Gather();
  void Execute(int32_t count);
  // Reads the clock into the header.
  void Tick();
  // Deadlines: call it now and then while HasDeadlines().
  void CheckDeadlines();
  [[nodiscard]] bool HasDeadlines() const { return deadlines_ > 0 || listeners_.HasPaused(); }
  // Events of Execute(), or more than the rounds had room for.
  [[nodiscard]] bool HasPending() const;
  // Makes the descriptor readable when something is left.
  void WakeIfPending();

  // A slot, or -errno. preface: leaves before anything else, a handshake included.
  [[nodiscard]] int32_t Dial(const SocketAddress& address, int32_t timeout_ms, std::unique_ptr<TlsStream> tls = nullptr,
                             const uint8_t* preface = nullptr, size_t preface_bytes = 0);
  [[nodiscard]] int32_t Adopt(int fd);
  [[nodiscard]] int Listen(const SocketAddress& address, int backlog, bool reuse_port, int32_t listener);
  // Accepts from a socket that somebody else has opened. The descriptor to close, or -errno.
  [[nodiscard]] int ShareListener(int fd, int32_t listener);
  void CloseListener(int fd);
  // Server role, on an accepted connection: `bytes` were read from it. False: it is gone already.
  [[nodiscard]] bool StartTls(int32_t slot, std::shared_ptr<TlsContext> context, const uint8_t* bytes, size_t length,
                              int32_t timeout_ms);
  [[nodiscard]] TlsIo* tls_io();
  // Null without TLS; it lives until the turn that reported the close is over.
  [[nodiscard]] TlsStream* TlsOf(int32_t slot);
  [[nodiscard]] int FdOf(int32_t slot);
  void CloseAll();

 private:
  // Events per epoll_wait: the bytes of so many small messages stay in the first-level cache until they are sent on.
  static constexpr int kReadyMax = 128;
  // An event's data: slot or descriptor in the low 32 bits, a tag (kTagListener is one), and of a connection the slot's
  // generation.
  static constexpr uint64_t kTagHandoff = 2ull << 32;
  static constexpr uint64_t kTagDialled = 4ull << 32;
  static constexpr uint64_t kTagLoop = 8ull << 32;
  static constexpr int kGenerationShift = 36;
  static constexpr uint32_t kGenerationMask = (1u << (64 - kGenerationShift)) - 1;

  enum Stage : int32_t { kStageAgain, kStageReady, kStageClients, kStageHandshakes, kStageCount };

  [[nodiscard]] bool HasRoom() const;
  void RunStage(int32_t stage);
  void ReadRest();
  void TakeReady();
  void BeginClients();
  void OnEvent(uint64_t data, uint32_t events);
  [[nodiscard]] int64_t NowMs() const;

  // poller_arrivals.cc
  void AcceptFrom(Listener* listener);
  void TakeHanded();
  [[nodiscard]] int32_t Watch(int32_t slot, uint64_t tag);

  // poller_input.cc
  void OnConnEvent(int32_t slot, uint32_t events);
  void FinishDial(int32_t slot);
  void ReadAgain(int32_t slot);
  void Receive(int32_t slot);
  void EndOfInput(int32_t slot, ssize_t got);
  void PeerEnd(int32_t slot, bool is_truncated);

  // poller_output.cc
  void ExecuteOf(int32_t slot, int32_t first);
  void ExecuteOne(int32_t slot, const int32_t* op);
  void Write(int32_t slot, iovec* parts, int count, size_t bytes);
  void Send(int32_t slot, iovec* parts, int count, size_t bytes);
  void Flush(int32_t slot);

  // poller_ending.cc
  void AfterFlush(int32_t slot);
  void Shutdown(int32_t slot);
  void End(int32_t slot, int32_t delay_ms);
  void Fail(int32_t slot, int error);
  void Close(int32_t slot, int error, bool is_ours);
  void SetDeadline(Conn* conn, int64_t at_ms);
  [[nodiscard]] bool IsFlushing(Conn* conn, int64_t now_ms);

  // TLS: poller_tls.cc
  void WantHandshake(int32_t slot);
  void ShakeHands();
  void StepHandshake(int32_t slot);
  void FinishHandshake(int32_t slot);
  [[nodiscard]] bool ReceiveHandshake(int32_t slot);
  void ReceiveTls(int32_t slot);
  void Decrypt(int32_t slot);
  void SendTls(int32_t slot, const iovec* parts, int count);
  void Encrypt(int32_t slot, const iovec* parts, int count);
  void SendOutput(int32_t slot);
  void OpenTls(int32_t slot);
  void CloseTls(int32_t slot);
  void FailHandshake(int32_t slot, int32_t end, const char* why);

  PollerMemory memory_;
  int32_t worker_;
  int epoll_fd_;
  Listeners listeners_;
  EventRing ring_;
  std::shared_ptr<HandoffQueue> handoff_;
  ConnTable conns_;
  std::vector<int32_t> next_op_ = std::vector<int32_t>(kOpsMax);  // the next operation of the same connection
  uint32_t batch_ = 0;
  SlotQueue again_;                // readable, to be read in the next round
  SlotQueue clients_;              // clients' events, served behind those of upstreams
  SlotQueue handshakes_;           // TLS: those that can go on
  std::unique_ptr<TlsIo> tls_io_;  // made by the first TLS connection
  std::vector<Handed> handed_;
  int32_t first_stage_ = kStageAgain;
  epoll_event ready_[kReadyMax];
  int ready_count_ = 0;
  int ready_at_ = 0;
  bool has_waited_ = false;
  bool is_loop_ready_ = false;
  size_t slab_at_ = 0;
  int32_t deadlines_ = 0;
  int64_t start_ns_;
};

}  // namespace millrace
