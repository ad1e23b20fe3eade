// The registry behind handoff.h. It is the only state that the threads' addon instances share.
#include "handoff.h"

#include <sys/eventfd.h>
#include <unistd.h>
#include <unordered_map>

namespace millrace {

namespace {
std::mutex registry_mutex;
std::unordered_map<int32_t, std::shared_ptr<HandoffQueue>>& Registry() {
  static auto* registry = new std::unordered_map<int32_t, std::shared_ptr<HandoffQueue>>();
  return *registry;
}
}  // namespace

HandoffQueue::HandoffQueue() : event_fd_(::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)) {}

HandoffQueue::~HandoffQueue() {
  Close();
  if (event_fd_ >= 0) ::close(event_fd_);
}

bool HandoffQueue::Push(Handed handed) {
  {
    std::lock_guard<std::mutex> lock(mutex_);
    if (is_closed_) return false;
    waiting_.push_back(handed);
  }
  Wake();
  return true;
}

void HandoffQueue::Wake() {
  uint64_t one = 1;
  (void)!::write(event_fd_, &one, sizeof one);
}

void HandoffQueue::Take(std::vector<Handed>* out) {
  uint64_t count;
  (void)!::read(event_fd_, &count, sizeof count);
  std::lock_guard<std::mutex> lock(mutex_);
  out->swap(waiting_);
  waiting_.clear();
}

void HandoffQueue::Close() {
  std::lock_guard<std::mutex> lock(mutex_);
  is_closed_ = true;
  for (const Handed& handed : waiting_) ::close(handed.fd);
  waiting_.clear();
}

void RegisterQueue(int32_t worker, std::shared_ptr<HandoffQueue> queue) {
  std::lock_guard<std::mutex> lock(registry_mutex);
  Registry()[worker] = std::move(queue);
}

void UnregisterQueue(int32_t worker, const std::shared_ptr<HandoffQueue>& queue) {
  std::lock_guard<std::mutex> lock(registry_mutex);
  auto found = Registry().find(worker);
  // A replacement may have registered under the same number already.
  if (found != Registry().end() && found->second == queue) Registry().erase(found);
}

std::shared_ptr<HandoffQueue> FindQueue(int32_t worker) {
  std::lock_guard<std::mutex> lock(registry_mutex);
  auto found = Registry().find(worker);
  return found == Registry().end() ? nullptr : found->second;
}

}  // namespace millrace
