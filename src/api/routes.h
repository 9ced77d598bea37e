// Routes: which function answers which method of which path.
//
// The table is the dispatch, and what a test compares with openapi.json in both directions. Roles,
// parameters, bodies and the status of success come from the document (contract.h); here stands
// only what it cannot say.
// Invariants: a path has one route a method. `{x}` matches one segment, a last `{x*}` the rest.
// Errors: none. Thread-safety: constants.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "api/call.h"

namespace coffer::api {

// Token: a user; Open: anybody; Local: anybody on this machine, else operators.
enum class Access : std::uint8_t { Token, Open, Local };
// Whether an answer holds a secret: no cache may keep it.
enum class Secrecy : std::uint8_t { None, Secret };

using Document = Result<Json> (*)(Call& call);                      // with the contract's status
using Whole = Result<net::Response> (*)(Call& call);                // anything else
using Later = void (*)(Call& call, const front::JsonReply& reply);  // a document, when it is there
using Stream = void (*)(Call& call, net::Reply reply);
// Bytes that go to a file: where, and the answer once they are there.
struct Receive {
  Result<net::IntoFile> (*into)(Call& call);
  Whole then;
};
using Handler = std::variant<Document, Whole, Later, Stream, Receive>;

struct Route {
  std::string_view method;
  std::string_view pattern;
  std::string_view operation;  // operationId
  Handler handler;
  Access access{Access::Token};
  std::string_view location{};  // before the document's `id` in a Location header
  Secrecy secrecy{Secrecy::None};
};

// The parts of the table, one for each file of handlers.
std::span<const Route> account_routes();
std::span<const Route> upload_routes();
std::span<const Route> dataset_routes();
std::span<const Route> grant_routes();
std::span<const Route> program_routes();
std::span<const Route> run_routes();
std::span<const Route> review_routes();
std::span<const Route> ledger_routes();
std::span<const Route> status_routes();
std::vector<const Route*> all_routes();

using PathValues = std::map<std::string, std::string, std::less<>>;
// The values of the pattern's {…} where the path fits it.
std::optional<PathValues> match(std::string_view pattern, const std::vector<std::string>& segments);

}  // namespace coffer::api
