#include "gate/kit.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "base/io.h"
#include "gate/detail/source.h"
#include "gate/evidence.h"
#include "gate/judge.h"
#include "gate/reply.h"

namespace coffer::gate {
namespace {

using program::Output;

constexpr std::size_t kRequestBytesMax = 64U << 20;
constexpr int kReply = 1;

Result<std::string> read_request() {
  std::string text;
  std::string buffer(1U << 16, '\0');
  for (;;) {
    const ssize_t got = ::read(0, buffer.data(), buffer.size());
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return Error{Code::Unavailable, "the request cannot be read"};
    if (got == 0) return text;
    text.append(buffer, 0, static_cast<std::size_t>(got));
    if (text.size() > kRequestBytesMax) {
      return Error{Code::InvalidArgument, "the request is too long"};
    }
  }
}

// The directory that an argument names, or the descriptor that was handed over.
Result<UniqueFd> open_directory(int argc, char** argv, int index, int handed) {
  UniqueFd fd{index < argc ? ::open(argv[index], O_RDONLY | O_DIRECTORY | O_CLOEXEC)
                           : ::fcntl(handed, F_DUPFD_CLOEXEC, 3)};
  if (!fd) return Error{Code::Unavailable, "a directory cannot be opened"};
  return fd;
}

Result<> write_record(ByteView bytes) {
  if (write_fully(kReply, bytes)) return {};
  return Error{Code::Unavailable, "the reply cannot be written"};
}

int exit_of(const Result<>& result) {
  if (result) return 0;
  const std::string text = result.error().message + "\n";
  (void)!::write(2, text.data(), text.size());
  return 1;
}

Result<> run_judge(int argc, char** argv) {
  COFFER_TRY(const UniqueFd directory, open_directory(argc, argv, 1, 3));
  COFFER_TRY(const std::string request, read_request());
  COFFER_TRY(const Json json, Json::parse(request));
  COFFER_TRY(const auto outputs, program::parse_declaration(json));
  return judge(directory.get(), outputs, [](const Output&, const Finding& finding) {
    return write_finding(kReply, finding);
  });
}

Result<> run_evidence(int argc, char** argv) {
  COFFER_TRY(const UniqueFd inputs, open_directory(argc, argv, 1, 3));
  COFFER_TRY(const UniqueFd canonical, open_directory(argc, argv, 2, 4));
  COFFER_TRY(const std::string request, read_request());
  COFFER_TRY(const Json json, Json::parse(request));
  StrictReader in{json};
  const Json& declared = in.any("outputs");
  const Json& cards = in.any("inputs");
  COFFER_CHECK(in.finish());
  COFFER_TRY(const auto outputs, program::parse_declaration(declared));
  if (!cards.is_object()) return Error{Code::InvalidArgument, "inputs: must be an object"};
  std::vector<ProtectedInput> protected_inputs;
  for (const auto& [alias, card] : *cards.as_object()) protected_inputs.push_back({alias, card});
  // A canonical file is judged to the very object it was written from.
  return judge(
      canonical.get(), outputs, [&](const Output& output, const Finding& finding) -> Result<> {
        Evidence evidence;
        if (!finding.refusal) {
          COFFER_TRY(evidence, examine(inputs.get(), protected_inputs, output, finding.object));
        }
        return write_record(evidence_bytes(evidence));
      });
}

}  // namespace

int judge_main(int argc, char** argv) { return exit_of(run_judge(argc, argv)); }

int evidence_main(int argc, char** argv) { return exit_of(run_evidence(argc, argv)); }

}  // namespace coffer::gate
