#include "keeper/detail/over_run.h"

#include <cstdlib>

#include "base/wire.h"

namespace coffer::keeper {
namespace {

constexpr std::uint8_t kNone = 0xff;  // of an enumeration

Digest read_digest(WireReader& in) {
  const auto bytes = in.raw(sizeof(Digest::bytes));
  const auto digest = Digest::from_bytes(bytes);
  return digest ? *digest : Digest{};
}

void write_settled(WireWriter& out, const RunMemory& run) {
  const auto& settled = *run.settled;
  out.u64(settled.slot_s);
  out.u8(settled.ending ? static_cast<std::uint8_t>(*settled.ending) : kNone);
  const auto& charged = run.charged;
  out.u64(charged.bits).u64(charged.epsilon_milli).u64(charged.runs).u64(charged.cpu_ms);
}

Settled read_settled(WireReader& in) {
  Settled out;
  out.slot_s = in.u64();
  const auto ending = in.u8();
  if (ending != kNone) out.ending = static_cast<program::Ending>(ending);
  out.charged.bits = in.u64();
  out.charged.epsilon_milli = in.u64();
  out.charged.runs = in.u64();
  out.charged.cpu_ms = in.u64();
  return out;
}

void write_output(WireWriter& out, const OutputMemory& output) {
  out.text(output.name).u8(static_cast<std::uint8_t>(output.verdict));
  out.bytes(output.sealed_output_key);
  out.u32(static_cast<std::uint32_t>(output.downloaded.size()));
  for (const auto& user : output.downloaded) out.text(user);
}

OutputMemory read_output(WireReader& in) {
  OutputMemory out;
  out.name = in.text();
  out.verdict = static_cast<program::Verdict>(in.u8());
  const auto key = in.bytes();
  out.sealed_output_key.assign(key.begin(), key.end());
  for (auto left = in.u32(); left > 0 && !in.failed(); --left) out.downloaded.insert(in.text());
  return out;
}

}  // namespace

ByteVector pack_over(const RunMemory& run) {
  WireWriter out;
  out.text(run.user).u32(static_cast<std::uint32_t>(run.grants.size()));
  for (const auto& grant : run.grants) out.raw(grant.bytes);
  out.u32(run.attempt).u32(run.starts).u64(run.started_ms);
  out.boolean(run.attempt_started).boolean(run.attempt_lost);
  out.boolean(run.reported.has_value());
  if (run.reported) out.raw(run.reported->bytes);
  out.boolean(run.settled.has_value());
  if (run.settled) write_settled(out, run);
  out.u32(static_cast<std::uint32_t>(run.outputs.size()));
  for (const auto& output : run.outputs) write_output(out, output);
  return {out.data().begin(), out.data().end()};  // of its own size
}

RunMemory unpack_over(ByteView bytes) {
  WireReader in{bytes};
  RunMemory run;
  run.phase = Phase::Over;
  run.user = in.text();
  for (auto left = in.u32(); left > 0 && !in.failed(); --left) {
    run.grants.push_back(read_digest(in));
  }
  run.attempt = in.u32();
  run.starts = in.u32();
  run.started_ms = in.u64();
  run.attempt_started = in.boolean();
  run.attempt_lost = in.boolean();
  if (in.boolean()) run.reported = read_digest(in);
  if (in.boolean()) {
    run.settled = read_settled(in);
    run.charged = run.settled->charged;
  }
  for (auto left = in.u32(); left > 0 && !in.failed(); --left) {
    run.outputs.push_back(read_output(in));
    run.settled->verdicts.push_back(run.outputs.back().verdict);
  }
  if (!in.finish()) std::abort();
  return run;
}

}  // namespace coffer::keeper
