// A SHA-256 that a thread of its own computes, beside whoever makes the bytes.
//
// Invariants: the pieces are hashed in their order; at most kAhead of them wait. Where no thread
// can be had the caller hashes.
// Errors: none. Thread-safety: one caller.
#pragma once

#include <condition_variable>
#include <deque>
#include <future>
#include <mutex>

#include "crypto/crypto.h"

namespace coffer::vault {

class DigestBeside {
 public:
  static constexpr std::size_t kAhead = 4;

  explicit DigestBeside(Sha256& digest);  // borrowed
  DigestBeside(const DigestBeside&) = delete;
  DigestBeside& operator=(const DigestBeside&) = delete;
  ~DigestBeside() { finish(); }

  // `bytes` lie in `memory`.
  void update(ByteVector memory, ByteView bytes);
  void finish();  // every piece is hashed then, and no other may come

 private:
  struct Piece {
    ByteVector memory;
    ByteView bytes;
  };
  void work();

  Sha256& digest_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Piece> waiting_;
  bool ended_{false};
  bool has_thread_{false};
  std::future<void> thread_;
};

}  // namespace coffer::vault
