#include "cli/sentence.h"

#include "base/text.h"
#include "cli/terminal.h"
#include "gate/capacity.h"

namespace coffer::cli {
namespace {

std::string program_part(const grant::Grant& grant) {
  if (!grant.programs) return "any program";
  std::vector<std::string> ids;
  for (const auto& one : *grant.programs) ids.push_back(one.program.text().substr(0, 19));
  return "the program" + std::string(ids.size() == 1 ? " " : "s ") + listed(ids);
}

std::string enough_for(const grant::Grant& grant, const Json& card) {
  if (grant.budgets.bits == 0) return "";
  const gate::Capacity capacity = gate::capacity_of(grant.budgets.bits, card);
  if (capacity.persons == 0) return "";
  const std::string what =
      capacity.column.empty() ? "one bit" : "`" + printable(capacity.column, 80) + "`";
  const bool all = capacity.of_persons > 0 && capacity.persons >= capacity.of_persons;
  return ": enough to state " + what + " for " +
         (all ? "all " + counted(capacity.of_persons, "person")
              : "up to " + counted(capacity.persons, "person"));
}

std::string approval_part(const grant::Grant& grant, const GrantNames& names) {
  const std::string above = grant.auto_bits == 0
                                ? "Nothing goes out by itself"
                                : "Above " + counted(grant.auto_bits, "bit") + " a run";
  if (grant.approvals_needed == 0) {
    return grant.auto_bits == 0 ? above + " and nobody can approve: nothing ever goes out."
                                : above + ", nothing goes out.";
  }
  const std::string who =
      grant.approvals_needed == names.approvers.size()
          ? listed(names.approvers)
          : std::to_string(grant.approvals_needed) + " of " + listed(names.approvers);
  return above + (grant.auto_bits == 0 ? ": " : ", ") + who + " must approve.";
}

}  // namespace

std::string listed(const std::vector<std::string>& names) {
  if (names.empty()) return "nobody";
  if (names.size() == 1) return names[0];
  std::vector<std::string> head(names.begin(), names.end() - 1);
  return join(head, ", ") + " and " + names.back();
}

std::string last_day(UnixTime until) {
  return render_time(until - std::chrono::milliseconds{1}).substr(0, 10);
}

std::string grant_sentence(const grant::Grant& grant, const GrantNames& names, const Json& card) {
  std::string text = listed(names.grantees) + " may run " + program_part(grant) + " on " +
                     names.dataset + (grant.manifest ? "" : " (every version)") + " until " +
                     last_day(grant.until) + ", " + counted(grant.budgets.runs, "run") +
                     ", at most " + counted(grant.budgets.bits, "bit") + " ever" +
                     enough_for(grant, card) + ".";
  if (grant.budgets.epsilon_milli > 0) {
    text += " Also epsilon " + std::to_string(grant.budgets.epsilon_milli) + "/1000.";
  }
  if (grant.exclusive) text += " Nothing else runs meanwhile.";
  return text + " " + approval_part(grant, names);
}

std::string quote_sentence(const program::Quote& quote) {
  std::string text = "at most " + counted(quote.cost.bits, "bit") + " a run: header " +
                     std::to_string(quote.header_bits);
  if (quote.cost.bits == quote.header_bits + program::kReportBits &&
      quote.judged_bits < program::kReportBits) {
    return text + ", failure report " + std::to_string(program::kReportBits);
  }
  for (const auto& output : quote.outputs) {
    text += ", " + output.name + " " + std::to_string(program::kVerdictBits) + " + " +
            render_count(output.object_bits_max);
  }
  return text;
}

}  // namespace coffer::cli
