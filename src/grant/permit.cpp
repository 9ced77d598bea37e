#include "grant/permit.h"

#include "base/wire.h"

namespace coffer::grant {
namespace {

constexpr std::uint8_t kPermitVersion = 1;
constexpr std::uint32_t kInputsMax = 1024;

Digest read_digest(WireReader& in) {
  const auto digest = Digest::from_bytes(in.raw(32));
  return digest ? *digest : Digest{};
}

}  // namespace

ByteVector encode_permit(const PermitAnswer& answer) {
  WireWriter out;
  out.u8(kPermitVersion).raw(answer.run.bytes).u32(answer.attempt).u64(answer.time_left_s);
  out.boolean(answer.exclusive).text(answer.run_payload);
  out.u32(static_cast<std::uint32_t>(answer.inputs.size()));
  for (const auto& input : answer.inputs) {
    out.text(input.alias).text(input.dataset_id).raw(input.manifest.bytes);
    out.raw(input.content.bytes).raw(input.chunk_list.bytes).bytes(input.sealed_key);
  }
  return std::move(out).take();
}

Result<Permit> Permit::decode(ByteView keeper_answer, const SealKey& worker_key) {
  WireReader in{keeper_answer};
  if (in.u8() != kPermitVersion) in.fail();
  Permit out;
  out.run_ = read_digest(in);
  out.attempt_ = in.u32();
  out.time_left_s_ = in.u64();
  out.exclusive_ = in.boolean();
  out.run_payload_ = in.text();
  const auto count = in.count(kInputsMax);
  for (std::uint32_t i = 0; i < count && !in.failed(); ++i) {
    PermitInput input;
    input.alias = in.text();
    input.dataset_id = in.text();
    input.manifest = read_digest(in);
    input.content = read_digest(in);
    input.chunk_list = read_digest(in);
    if (const auto sealed = in.bytes(); !sealed.empty()) {
      COFFER_TRY(ByteVector plain, worker_key.open(sealed));
      auto key = key_from(plain);
      sodium_memzero(plain.data(), plain.size());
      if (!key) return Error{Code::Corrupt, "permit: a version key of another length"};
      input.version_key = *std::move(key);
    }
    out.inputs_.push_back(std::move(input));
  }
  COFFER_CHECK(in.finish());
  // What the keeper says it permits must be the run it names.
  if (sha256(out.run_payload_) != out.run_) {
    return Error{Code::Corrupt, "permit: the run is not the one that it names"};
  }
  return out;
}

const PermitInput* Permit::input(std::string_view alias) const {
  for (const auto& input : inputs_) {
    if (input.alias == alias) return &input;
  }
  return nullptr;
}

}  // namespace coffer::grant
