// Permit: the right to open the inputs of one attempt of one run, now.
//
// Invariants: it exists only in the worker and only by decoding the keeper's answer to an `Open`
// with the worker's own key; it is never stored, so a right revoked while a run waited is seen.
// encode_permit() (keeper) and Permit::decode() (worker) are inverse.
// Errors: Corrupt (not the keeper's answer, or sealed to another key).
// Thread-safety: as a plain value; moves only, since it holds keys.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "crypto/crypto.h"

namespace coffer::grant {

struct PermitInput {
  std::string alias;
  std::string dataset_id;
  Digest manifest;
  Digest content;                  // salted digest of the content
  Digest chunk_list;               // SHA-256 of the stored chunk list, its name in the vault
  std::optional<Key> version_key;  // none for public data: its key is published
};

// What the keeper writes: version keys already sealed to the worker.
struct SealedPermitInput {
  std::string alias;
  std::string dataset_id;
  Digest manifest;
  Digest content;
  Digest chunk_list;
  ByteVector sealed_key;  // empty for public data
};
struct PermitAnswer {
  Digest run;
  std::uint32_t attempt{0};
  std::uint64_t time_left_s{0};
  bool exclusive{false};
  std::string run_payload;
  std::vector<SealedPermitInput> inputs;
};
ByteVector encode_permit(const PermitAnswer& answer);

class Permit {
 public:
  static Result<Permit> decode(ByteView keeper_answer, const SealKey& worker_key);

  const Digest& run() const { return run_; }
  std::uint32_t attempt() const { return attempt_; }
  // Seconds of wall clock for this attempt: the limit, or what a lost attempt left of it.
  std::uint64_t time_left_s() const { return time_left_s_; }
  bool exclusive() const { return exclusive_; }  // nothing else may run beside it
  // The signed run, as grant::parse<grant::Run> reads it.
  const std::string& run_payload() const { return run_payload_; }
  const std::vector<PermitInput>& inputs() const { return inputs_; }
  const PermitInput* input(std::string_view alias) const;

 private:
  Permit() = default;
  Digest run_;
  std::uint32_t attempt_{0};
  std::uint64_t time_left_s_{0};
  bool exclusive_{false};
  std::string run_payload_;
  std::vector<PermitInput> inputs_;
};

}  // namespace coffer::grant
