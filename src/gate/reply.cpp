#include "gate/reply.h"

#include "base/io.h"
#include "base/wire.h"

namespace coffer::gate {
namespace {

using program::Output;
using program::Refusal;

constexpr std::size_t kFrameBytes = 9;  // the byte and the length

Result<> write_all(int fd, ByteView bytes) {
  if (write_fully(fd, bytes)) return {};
  return Error{Code::Unavailable, "the judge's pipe cannot be written"};
}

std::uint8_t byte_of(Refusal refusal) {
  switch (refusal) {
    case Refusal::Undeclared:
      return 1;
    case Refusal::Malformed:
      return 2;
    case Refusal::OutOfRange:
      return 3;
    case Refusal::PrivateCopy:
    case Refusal::OverBudget:
      break;  // never the judge's words
  }
  return 2;
}

Refusal refusal_of_byte(std::uint8_t byte) {
  if (byte == 1) return Refusal::Undeclared;
  if (byte == 3) return Refusal::OutOfRange;
  return Refusal::Malformed;
}

Finding malformed() { return {.refusal = Refusal::Malformed}; }

}  // namespace

std::uint64_t reply_bytes_max(const std::vector<Output>& outputs) {
  std::uint64_t bytes = 0;
  for (const Output& output : outputs) {
    bytes += kFrameBytes + (program::object_bits_max(output) + 7) / 8;
  }
  return bytes;
}

Result<> write_finding(int pipe, const Finding& finding) {
  WireWriter out;
  if (finding.refusal) {
    return write_all(pipe, out.u8(byte_of(*finding.refusal)).data());
  }
  COFFER_CHECK(write_all(pipe, out.u8(0).u64(finding.object.length).data()));
  return write_all(pipe, finding.object.bytes);
}

Result<std::size_t> ReplyReader::fill(std::byte* to, std::size_t length) {
  const auto got = read_fully(pipe_, {to, length});
  if (!got) return Error{Code::Unavailable, "the judge's pipe cannot be read"};
  if (*got < length) broken_ = true;
  return *got;
}

Result<Finding> ReplyReader::next(const Output& output) {
  if (broken_) return malformed();
  std::byte word{};
  COFFER_TRY(const std::size_t had_word, fill(&word, 1));
  if (had_word != 1) return malformed();
  const auto byte = std::to_integer<std::uint8_t>(word);
  if (byte > 3) broken_ = true;
  if (byte != 0) return Finding{.refusal = refusal_of_byte(byte)};

  ByteVector frame(8);
  COFFER_TRY(const std::size_t had_length, fill(frame.data(), frame.size()));
  if (had_length != frame.size()) return malformed();
  Finding finding;
  finding.object.length = WireReader{frame}.u64();
  if (finding.object.length > program::object_bits_max(output)) {
    broken_ = true;
    return malformed();
  }
  finding.object.bytes.resize(static_cast<std::size_t>((finding.object.length + 7) / 8));
  COFFER_TRY(const std::size_t had, fill(finding.object.bytes.data(), finding.object.bytes.size()));
  if (had != finding.object.bytes.size()) return malformed();
  if (!check_object(output, finding.object)) return malformed();
  return finding;
}

Result<bool> ReplyReader::ended() {
  if (broken_) return false;
  std::byte more{};
  COFFER_TRY(const std::size_t got, fill(&more, 1));
  return got == 0;
}

Result<std::vector<Finding>> read_reply(int pipe, const std::vector<Output>& outputs) {
  ReplyReader in{pipe};
  std::vector<Finding> findings;
  for (const Output& output : outputs) {
    COFFER_TRY(Finding finding, in.next(output));
    findings.push_back(std::move(finding));
  }
  COFFER_TRY(const bool ended, in.ended());
  if (!ended) findings.assign(outputs.size(), malformed());
  return findings;
}

}  // namespace coffer::gate
