#include "api/routes.h"

#include "base/text.h"

namespace coffer::api {

std::vector<const Route*> all_routes() {
  std::vector<const Route*> out;
  for (const auto part :
       {account_routes(), upload_routes(), dataset_routes(), grant_routes(), program_routes(),
        run_routes(), review_routes(), ledger_routes(), status_routes()}) {
    for (const auto& route : part) out.push_back(&route);
  }
  return out;
}

std::optional<PathValues> match(std::string_view pattern,
                                const std::vector<std::string>& segments) {
  PathValues values;
  const auto parts = pattern == "/" ? std::vector<std::string>{} : split(pattern.substr(1), '/');
  for (std::size_t i = 0; i < parts.size(); ++i) {
    const std::string_view part = parts[i];
    if (i >= segments.size()) return {};
    if (!part.starts_with('{')) {
      if (part != segments[i]) return {};
    } else if (part.ends_with("*}")) {
      const std::vector<std::string> rest(segments.begin() + static_cast<std::ptrdiff_t>(i),
                                          segments.end());
      values.emplace(part.substr(1, part.size() - 3), join(rest, "/"));
      return values;
    } else {
      values.emplace(part.substr(1, part.size() - 2), segments[i]);
    }
  }
  if (parts.size() != segments.size()) return {};
  return values;
}

}  // namespace coffer::api
