#include "judging/judging.h"

#include <fcntl.h>

#include <cerrno>

#include "gate/judge.h"
#include "gate/reply.h"
#include "os/files.h"

namespace coffer::judging {
namespace {

namespace fs = std::filesystem;

constexpr std::uint64_t kSlack = 128ULL << 20;  // of memory, for what is no data

ByteVector bytes_from(const Json& json) {
  const std::string text = json.canonical();
  const ByteView bytes = bytes_of(text);
  return {bytes.begin(), bytes.end()};
}

// A refusal or a bit string for each output.
Result<std::vector<gate::Finding>> find(const Cells& cells, const fs::path& out_path,
                                        const std::vector<program::Output>& outputs,
                                        std::uint64_t output_bytes) {
  cell::Launcher::Question question{
      .kit = cell::Kit::Judge,
      .args = {"/out"},
      .binds = {{.source = out_path, .target = "/out", .origin = cell::BindOrigin::Private}},
      .input = bytes_from(program::declaration_json(outputs)),
      .answer_max = gate::reply_bytes_max(outputs)};
  question.resources.memory_bytes = gate::judge_memory(outputs, output_bytes) + kSlack;
  question.resources.time =
      std::chrono::seconds{program::judging_allowance_s(output_bytes) * 10 + 60};
  question.ids = cells.ids;
  COFFER_TRY(const auto answer, cells.launcher.ask(cells.stage, std::move(question)));
  COFFER_TRY(const UniqueFd reply, sealed_memory_file("reply", bytes_of(answer.text)));
  return gate::read_reply(reply.get(), outputs);
}

}  // namespace

Result<std::vector<Judged>> judge(const Cells& cells, const fs::path& out_path,
                                  const std::vector<program::Output>& outputs,
                                  std::uint64_t output_bytes) {
  COFFER_TRY(auto findings, find(cells, out_path, outputs, output_bytes));
  std::vector<Judged> out;
  for (std::size_t i = 0; i < findings.size(); ++i) {
    Judged judged{.canonical = {}, .refusal = findings[i].refusal};
    if (!judged.refusal) {
      auto canonical = gate::Canonical::decode(outputs[i], std::move(findings[i].object));
      if (canonical) {
        judged.canonical.emplace(*std::move(canonical));
      } else {
        judged.refusal = program::Refusal::Malformed;
      }
    }
    out.push_back(std::move(judged));
  }
  return out;
}

Result<> write_canonical(const fs::path& folder, const std::vector<Judged>& judged) {
  COFFER_CHECK(make_directories(folder, 0755));
  for (const auto& one : judged) {
    if (!one.canonical) continue;
    const auto path = folder / one.canonical->file_name();
    const UniqueFd fd{::open(path.c_str(), O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0644)};
    if (!fd) return system_error("make a canonical file", errno);
    COFFER_CHECK(one.canonical->write_to(fd.get()));
  }
  return {};
}

Result<std::vector<gate::Evidence>> examine(const Cells& cells, const Examination& examination) {
  const auto& outputs = examination.outputs;
  std::vector<gate::Evidence> out(outputs.size());
  if (examination.protected_inputs.empty() || outputs.empty()) return out;
  Json inputs = Json::object({});
  for (const auto& input : examination.protected_inputs) inputs.set(input.alias, input.card);
  const auto bind = [&](const fs::path& source, const char* target) {
    return cell::Bind{.source = source, .target = target, .origin = examination.origin};
  };
  cell::Launcher::Question question{
      .kit = cell::Kit::Evidence,
      .args = {"/inputs", "/canonical"},
      .binds = {bind(examination.inputs, "/inputs"), bind(examination.canonical, "/canonical")},
      .input = bytes_from(
          Json::object({{"outputs", program::declaration_json(outputs)}, {"inputs", inputs}})),
      .answer_max = gate::kEvidenceBytes * outputs.size()};
  question.resources.memory_bytes = gate::evidence_memory(outputs) + kSlack;
  question.resources.time = std::chrono::hours{1};
  question.ids = cells.ids;
  COFFER_TRY(const auto answer, cells.launcher.ask(cells.stage, std::move(question)));
  const ByteView bytes = bytes_of(answer.text);
  if (bytes.size() != gate::kEvidenceBytes * out.size()) {
    return Error{Code::Corrupt, "the evidence cell answered something else"};
  }
  for (std::size_t i = 0; i < out.size(); ++i) {
    COFFER_TRY(out[i],
               gate::parse_evidence(bytes.subspan(i * gate::kEvidenceBytes, gate::kEvidenceBytes)));
  }
  return out;
}

}  // namespace coffer::judging
