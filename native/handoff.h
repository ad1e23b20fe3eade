// Accepted descriptors on their way from the acceptor's thread to a worker: one process-wide registry of queues.
#pragma once
#include <cstdint>
#include <memory>
#include <mutex>
#include <vector>

namespace millrace {

struct Handed {
  int fd;
  int32_t listener;
};

// One worker's queue. The eventfd wakes its poller; it lives as long as either side holds the queue.
class HandoffQueue {
 public:
  HandoffQueue();
  ~HandoffQueue();
  HandoffQueue(const HandoffQueue&) = delete;
  HandoffQueue& operator=(const HandoffQueue&) = delete;
  [[nodiscard]] int event_fd() const { return event_fd_; }
  // false: the worker is gone; the caller still owns the descriptor.
  [[nodiscard]] bool Push(Handed handed);
  // Everything that waits; also resets the eventfd.
  void Take(std::vector<Handed>* out);
  void Wake();
  // No push succeeds any more; what was not taken is closed.
  void Close();

 private:
  std::mutex mutex_;
  std::vector<Handed> waiting_;
  bool is_closed_ = false;
  int event_fd_;
};

void RegisterQueue(int32_t worker, std::shared_ptr<HandoffQueue> queue);
void UnregisterQueue(int32_t worker, const std::shared_ptr<HandoffQueue>& queue);
// Null: no such worker.
[[nodiscard]] std::shared_ptr<HandoffQueue> FindQueue(int32_t worker);

}  // namespace millrace
