#include "front/quota.h"

#include <fmt/format.h>
#include <sys/stat.h>

#include "base/log.h"
#include "vault/store.h"

namespace coffer::front {
namespace {

namespace fs = std::filesystem;

Result<std::uint64_t> sum(Site& site, std::string_view sql,
                          const std::vector<db::Value>& values = {}) {
  COFFER_TRY(const auto row, site.db.row(sql, values));
  return static_cast<std::uint64_t>(row->integer(0));
}

// Datasets that are his, or that he has begun to add.
Result<std::vector<std::string>> datasets_of(Site& site, const std::string& user) {
  COFFER_TRY(const auto rows,
             site.db.rows("SELECT id FROM datasets WHERE owner = ?1 UNION SELECT dataset FROM"
                          " claims WHERE user = ?1",
                          {user}));
  std::vector<std::string> out;
  for (const auto& row : rows) out.push_back(row.text(0));
  return out;
}

Result<> check_one(const Quota& quota, std::uint64_t used, std::uint64_t bytes) {
  if (quota.bytes == 0 || (used <= quota.bytes && bytes <= quota.bytes - used)) return {};
  return Error{Code::FailedPrecondition,
               fmt::format("{} more would pass {}: {} of {} are used", render_size(bytes),
                           quota.whose, render_size(used), render_size(quota.bytes))}
      .as("quota_exceeded")
      .above(render_size(quota.bytes))
      .then("remove what you no longer need (coffer data rm), or ask an operator");
}

Result<> check_all(Site& site, const Caller& caller, std::uint64_t bytes) {
  if (site.quotas.user.bytes > 0) {
    COFFER_TRY(const Usage mine, usage_of(site, caller.user));
    COFFER_CHECK(check_one(site.quotas.user, mine.total(), bytes));
  }
  if (site.quotas.total.bytes == 0) return {};
  COFFER_TRY(const Usage all, usage_of_all(site));
  return check_one(site.quotas.total, all.total(), bytes);
}

// What an add of his had sent that no version names.
void drop_unnamed(Site& site, const std::string& user) {
  const auto mine = datasets_of(site, user);
  if (!mine) return;
  for (const auto& dataset : *mine) {
    auto store = vault::Store::open(site.data / "vault", dataset);
    if (!store) continue;
    const auto collected = store->collect_garbage(UnixTime::max());
    if (!collected) {
      log_error("front", "unused chunks could not be removed", collected.error());
      continue;
    }
    site.count_stored(dataset, -static_cast<std::int64_t>(collected->bytes));
  }
}

std::uint64_t bytes_below(const fs::path& folder) {
  std::uint64_t bytes = 0;
  std::error_code error, ignored;
  for (fs::recursive_directory_iterator it{folder, error};
       !error && it != fs::recursive_directory_iterator{}; it.increment(error)) {
    struct stat status {};
    if (::lstat(it->path().c_str(), &status) == 0 && S_ISREG(status.st_mode)) {
      bytes += static_cast<std::uint64_t>(status.st_size);
    }
  }
  return bytes;
}

}  // namespace

Result<Usage> usage_of_all(Site& site) {
  Usage out;
  COFFER_TRY(out.uploads, sum(site, "SELECT COALESCE(SUM(length), 0) FROM uploads"));
  COFFER_TRY(out.programs, sum(site, "SELECT COALESCE(SUM(bytes), 0) FROM programs"));
  COFFER_TRY(out.environments,
             sum(site, "SELECT COALESCE(SUM(bytes), 0) FROM environment_digests"));
  for (const auto& [dataset, bytes] : site.stored) out.datasets += bytes;
  return out;
}

Result<Usage> usage_of(Site& site, const std::string& user) {
  Usage out;
  COFFER_TRY(out.uploads,
             sum(site, "SELECT COALESCE(SUM(length), 0) FROM uploads WHERE user = ?", {user}));
  COFFER_TRY(out.programs,
             sum(site, "SELECT COALESCE(SUM(bytes), 0) FROM programs WHERE user = ?", {user}));
  COFFER_TRY(out.environments,
             sum(site,
                 "SELECT COALESCE(SUM(d.bytes), 0) FROM environment_digests d JOIN environments e"
                 " ON e.name = d.name WHERE e.user = ?",
                 {user}));
  COFFER_TRY(const auto mine, datasets_of(site, user));
  for (const auto& dataset : mine) {
    const auto found = site.stored.find(dataset);
    if (found != site.stored.end()) out.datasets += found->second;
  }
  return out;
}

Result<> check_quota(Site& site, const Caller& caller, std::uint64_t bytes) {
  auto fits = check_all(site, caller, bytes);
  if (!fits && fits.error().rule == "quota_exceeded") drop_unnamed(site, caller.user);
  return fits;
}

Result<> count_vault(Site& site) {
  site.stored.clear();
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(site.data / "vault", error)) {
    site.stored[entry.path().filename().string()] = bytes_below(entry.path());
  }
  if (error) return Error{Code::Unavailable, "the vault cannot be read", error.message()};
  return {};
}

}  // namespace coffer::front
