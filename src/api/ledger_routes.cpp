// The ledger: entries, proofs, and its static files.

#include <fcntl.h>
#include <sys/stat.h>

#include "api/routes.h"
#include "front/append.h"
#include "front/ledger_view.h"
#include "ledger/tiles.h"

namespace coffer::api {
namespace {

Result<std::uint64_t> index_of(const Call& call) {
  const auto index = Json{Json::Number{call.at("index")}}.as_uint();
  if (!index) return front::bad_field("index", "must be a number");
  return *index;
}

Result<Json> entries(Call& call) {
  return front::list_entries(call.site(), call.caller,
                             {.dataset = call.query("dataset"),
                              .user = call.query("user"),
                              .run = call.query("run"),
                              .kind = call.query("kind"),
                              .since = call.query("since"),
                              .until = call.query("until")},
                             call.page());
}

Result<Json> entry(Call& call) {
  COFFER_TRY(const auto index, index_of(call));
  return front::show_entry(call.site(), call.caller, index);
}

Result<net::Response> proof(Call& call) {
  COFFER_TRY(const auto index, index_of(call));
  COFFER_TRY(auto text, front::entry_proof(call.site(), call.caller, index));
  return net::Response::text(200, std::move(text));
}

struct StaticFile {
  std::string path;
  std::string_view type;
  std::string_view cache;
};

Result<net::Response> static_file(Call& call, const StaticFile& file) {
  COFFER_CHECK(front::publish_ledger(call.site()));
  const auto path = call.site().data / "ledger" / file.path;
  UniqueFd fd{::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW)};
  struct stat info {};
  if (!fd || ::fstat(fd.get(), &info) != 0) return front::not_found("ledger file", file.path);
  auto response = net::file_response(call.head, std::move(fd),
                                     static_cast<std::uint64_t>(info.st_size), file.type);
  response.headers.add("Cache-Control", file.cache);
  return response;
}

Result<net::Response> checkpoint(Call& call) {
  return static_file(call, {"checkpoint", "text/plain; charset=utf-8", "no-cache"});
}

// Only the paths that tiles have: a tile never changes once it is served.
Result<net::Response> tile(Call& call) {
  const std::string path = "tile/" + call.at("level") + "/" + call.at("tile");
  if (!ledger::parse_path(path)) return front::not_found("ledger file", path);
  return static_file(call,
                     {path, "application/octet-stream", "public, max-age=31536000, immutable"});
}

constexpr Route kRoutes[] = {
    {"GET", "/v1/ledger/entries", "ledgerEntries", Document{entries}},
    {"GET", "/v1/ledger/entries/{index}", "ledgerEntry", Document{entry}},
    {"GET", "/v1/ledger/entries/{index}/proof", "ledgerProof", Whole{proof}},
    {"GET", "/ledger/checkpoint", "checkpoint", Whole{checkpoint}, Access::Open},
    {"GET", "/ledger/tile/{level}/{tile*}", "tile", Whole{tile}, Access::Open},
};

}  // namespace

std::span<const Route> ledger_routes() { return kRoutes; }

}  // namespace coffer::api
