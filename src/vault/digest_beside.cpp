#include "vault/detail/digest_beside.h"

#include <chrono>

namespace coffer::vault {

DigestBeside::DigestBeside(Sha256& digest)
    : digest_(digest),
      thread_(std::async(std::launch::async | std::launch::deferred, [this] { work(); })) {
  has_thread_ = thread_.wait_for(std::chrono::seconds{0}) != std::future_status::deferred;
}

void DigestBeside::update(ByteVector memory, ByteView bytes) {
  if (!has_thread_) {
    digest_.update(bytes);
    return;
  }
  std::unique_lock lock{mutex_};
  changed_.wait(lock, [&] { return waiting_.size() < kAhead; });
  waiting_.push_back({std::move(memory), bytes});
  changed_.notify_one();
}

void DigestBeside::finish() {
  if (!thread_.valid()) return;
  {
    const std::lock_guard lock{mutex_};
    ended_ = true;
    changed_.notify_one();
  }
  thread_.get();
}

void DigestBeside::work() {
  std::unique_lock lock{mutex_};
  for (;;) {
    changed_.wait(lock, [&] { return ended_ || !waiting_.empty(); });
    if (waiting_.empty()) return;
    const Piece piece = std::move(waiting_.front());
    waiting_.pop_front();
    lock.unlock();
    changed_.notify_one();
    digest_.update(piece.bytes);
    lock.lock();
  }
}

}  // namespace coffer::vault
