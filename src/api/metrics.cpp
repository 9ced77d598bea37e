#include "api/metrics.h"

#include <fmt/format.h>
#include <sys/resource.h>

#include "front/counts.h"
#include "front/quota.h"

namespace coffer::api {
namespace {

void describe(std::string& out, std::string_view name, std::string_view type,
              std::string_view help) {
  out += fmt::format("# HELP coffer_{0} {2}\n# TYPE coffer_{0} {1}\n", name, type, help);
}

void gauge(std::string& out, std::string_view name, std::string_view help, std::int64_t value) {
  describe(out, name, "gauge", help);
  out += fmt::format("coffer_{} {}\n", name, value);
}

}  // namespace

void Metrics::answered(std::string_view operation, int status) {
  ++requests_[{std::string(operation), status}];
}

Result<std::string> Metrics::render(front::Site& site) const {
  COFFER_TRY(const auto counts, front::count(site));
  std::string out;
  describe(out, "requests_total", "counter", "Requests answered, by operation and status.");
  for (const auto& [key, count] : requests_) {
    out += fmt::format("coffer_requests_total{{operation=\"{}\",status=\"{}\"}} {}\n", key.first,
                       key.second, count);
  }
  describe(out, "runs", "gauge", "Runs, by the state that everybody may know.");
  for (const auto& [state, count] : counts.runs) {
    out += fmt::format("coffer_runs{{state=\"{}\"}} {}\n", state, count);
  }
  gauge(out, "ledger_entries", "Entries of the ledger.",
        static_cast<std::int64_t>(site.tree.size()));
  gauge(out, "pending_operations", "Operations that the keeper has not answered.", counts.pending);
  gauge(out, "users", "Users that were not removed.", counts.users);
  gauge(out, "datasets", "Datasets.", counts.datasets);
  gauge(out, "uploads", "Uploads not used yet.", counts.uploads);
  gauge(out, "upload_bytes", "Bytes announced for them.", counts.upload_bytes);
  COFFER_TRY(const auto used, front::usage_of_all(site));
  describe(out, "stored_bytes", "gauge", "Bytes kept for users, by kind.");
  const std::pair<const char*, std::uint64_t> kinds[] = {{"datasets", used.datasets},
                                                         {"environments", used.environments},
                                                         {"programs", used.programs},
                                                         {"uploads", used.uploads}};
  for (const auto& [kind, bytes] : kinds) {
    out += fmt::format("coffer_stored_bytes{{kind=\"{}\"}} {}\n", kind, bytes);
  }
  gauge(out, "quota_bytes", "Most that may be kept for all users; 0: no limit.",
        static_cast<std::int64_t>(site.quotas.total.bytes));
  std::error_code ignored;
  const auto space = std::filesystem::space(site.data / "front", ignored);
  gauge(out, "disk_free_bytes", "Free bytes on the disk of the data directory.",
        static_cast<std::int64_t>(space.available));
  struct rusage usage {};
  (void)::getrusage(RUSAGE_SELF, &usage);
  gauge(out, "memory_max_bytes", "Most resident memory of the front so far.",
        std::int64_t{usage.ru_maxrss} * 1024);
  describe(out, "build_info", "gauge", "Version of the server.");
  return out + fmt::format("coffer_build_info{{version=\"{}\"}} 1\n", COFFER_VERSION);
}

}  // namespace coffer::api
