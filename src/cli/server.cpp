#include "cli/server.h"

#include <algorithm>

#include "cli/files.h"
#include "cli/problem.h"
#include "crypto/crypto.h"
#include "os/files.h"

namespace coffer::cli {
namespace {

constexpr std::uint64_t kAppendMax = 64ULL << 20;
constexpr int kUploadTries = 5;
constexpr std::string_view kPageSize = "500";

bool is_success(int status) { return status >= 200 && status < 300; }

Result<Json> json_of(const net::Answer& answer) {
  auto json = Json::parse(answer.body);
  if (!json) {
    return refused("corrupt",
                   "the server's answer is no JSON: is this address a Cofferdam server?");
  }
  return json;
}

}  // namespace

std::string target(std::initializer_list<std::string_view> parts) {
  std::string text;
  for (const auto part : parts) text += "/" + net::percent_encode(part);
  return text;
}

std::string query(const std::vector<std::pair<std::string, std::string>>& fields) {
  std::string text;
  for (const auto& [name, value] : fields) {
    if (value.empty()) continue;
    text += (text.empty() ? "?" : "&") + name + "=" + net::percent_encode(value);
  }
  return text;
}

Result<Server> Server::open(ServerAddress address) {
  net::ClientOptions options{.url = address.url, .ca_file = address.ca_file};
  if (!address.token.empty()) options.headers.add("Authorization", "Bearer " + address.token);
  options.headers.add("User-Agent", "coffer/" COFFER_VERSION);
  auto client = net::Client::open(std::move(options));
  if (!client) {
    if (client.error().code == Code::InvalidArgument) return usage_error(client.error().message);
    return unreachable(address.url, client.error());
  }
  return Server{std::move(address), *std::move(client)};
}

Result<net::Answer> Server::send(const net::Call& call) {
  auto answer = client_.send(call);
  if (!answer) return unreachable(address_.url, answer.error());
  version_ = printable(answer->headers.get("Coffer-Version"), 40);
  if (!is_success(answer->status)) return with_versions(answered(answer->status, answer->body));
  return answer;
}

Error Server::with_versions(Error error) const {
  if (version_.empty() || version_ == COFFER_VERSION) return error;
  Problem problem = problem_of(error);
  const std::string both = "this is coffer " COFFER_VERSION ", the server is coffer " + version_;
  if (problem.text.find(both) != std::string::npos) return error;
  problem.text += " (" + both + ")";
  Error out = error_of(problem);
  out.code = error.code;
  return out;
}

Result<Json> Server::send_json(net::Call call) {
  call.headers.add("Accept", "application/json");
  if (const auto* body = std::get_if<std::string>(&call.body); body != nullptr && !body->empty()) {
    call.headers.add("Content-Type", "application/json");
  }
  COFFER_TRY(const net::Answer answer, send(call));
  if (answer.body.empty()) return Json{};
  return json_of(answer);
}

Result<Json> Server::get(const std::string& target) {
  return send_json({.method = "GET", .target = target});
}

Result<std::string> Server::get_text(const std::string& target) {
  COFFER_TRY(net::Answer answer, send({.method = "GET", .target = target}));
  return std::move(answer.body);
}

Result<Json> Server::post(const std::string& target, const Json& body, std::string idempotency) {
  if (idempotency.empty()) idempotency = base32(random_bytes(20));
  return send_json({.method = "POST",
                    .target = target,
                    .headers = {{"Idempotency-Key", idempotency}},
                    .body = body.canonical(),
                    .repeatable = true});
}

Result<Json> Server::patch(const std::string& target, const Json& body) {
  return send_json(
      {.method = "PATCH", .target = target, .body = body.canonical(), .repeatable = true});
}

Result<> Server::remove(const std::string& target) {
  COFFER_TRY([[maybe_unused]] const auto answer, send({.method = "DELETE", .target = target}));
  return {};
}

Result<Json::Array> Server::list(const std::string& path, const std::string& query,
                                 std::size_t items_max) {
  Json::Array items;
  std::string cursor;
  do {
    std::string next =
        path + query + (query.empty() ? "?" : "&") + "limit=" + std::string(kPageSize);
    if (!cursor.empty()) next += "&cursor=" + net::percent_encode(cursor);
    COFFER_TRY(const Json page, get(next));
    const auto* array = page["items"].as_array();
    if (array == nullptr) return refused("corrupt", "the server's list has no items");
    for (const auto& item : *array) {
      if (items.size() < items_max) items.push_back(item);
    }
    cursor = page.text_or("next_cursor", "");
    if (array->empty()) cursor.clear();
  } while (!cursor.empty() && items.size() < items_max);
  return items;
}

Result<> Server::download(const std::string& target, int fd, const net::Progress& progress,
                          std::uint64_t first) {
  net::Call call{.method = "GET", .target = target};
  if (first > 0) call.headers.add("Range", "bytes=" + std::to_string(first) + "-");
  const auto shifted = [&](net::Moved moved) {
    return !progress || progress({first + moved.done, moved.total == 0 ? 0 : first + moved.total});
  };
  auto answer = client_.download(call, fd, shifted);
  if (!answer) return unreachable(address_.url, answer.error());
  if (!is_success(answer->status)) return answered(answer->status, answer->body);
  if (first > 0 && answer->status != 206) {
    return refused("corrupt", "the server does not go on from where the download stopped");
  }
  return {};
}

Result<std::uint64_t> Server::upload_offset(const std::string& id) {
  COFFER_TRY(const auto answer, send({.method = "HEAD",
                                      .target = target({"v1", "uploads", id}),
                                      .headers = {{"Tus-Resumable", "1.0.0"}}}));
  const std::string text{answer.headers.get("Upload-Offset")};
  const auto offset = Json::parse(text);
  if (!offset || !offset->as_uint()) {
    return refused("corrupt", "the server does not say how far the upload is");
  }
  return *offset->as_uint();
}

Result<std::string> Server::upload(int fd, const net::Progress& progress) {
  COFFER_TRY(const std::uint64_t length, size_of(fd));
  COFFER_TRY(const Json made, send_json({.method = "POST",
                                         .target = "/v1/uploads",
                                         .headers = {{"Upload-Length", std::to_string(length)},
                                                     {"Tus-Resumable", "1.0.0"},
                                                     {"Idempotency-Key", base32(random_bytes(20))}},
                                         .repeatable = true}));
  const std::string id = made.text_or("id", "");
  if (id.empty()) return refused("corrupt", "the server's upload has no id");
  std::uint64_t offset = 0;
  for (int failures = 0; offset < length;) {
    const auto piece = std::min(length - offset, kAppendMax);
    const auto shown = [&, offset](net::Moved moved) {
      return !progress || progress({offset + moved.done, length});
    };
    const auto sent = send({.method = "PATCH",
                            .target = target({"v1", "uploads", id}),
                            .headers = {{"Upload-Offset", std::to_string(offset)},
                                        {"Tus-Resumable", "1.0.0"},
                                        {"Content-Type", "application/offset+octet-stream"}},
                            .body = net::Upload{fd, offset, piece, shown}});
    if (sent) {
      offset += piece;
      continue;
    }
    const bool lost = problem_of(sent.error()).exit == kExitUnreachable ||
                      problem_of(sent.error()).code == "upload_offset";
    if (!lost || ++failures >= kUploadTries) return sent.error();
    COFFER_TRY(offset, upload_offset(id));
  }
  return id;
}

Result<std::string> Server::upload_bytes(std::string_view bytes) {
  COFFER_TRY(const UniqueFd fd, sealed_memory_file("upload", bytes_of(bytes)));
  return upload(fd.get());
}

}  // namespace coffer::cli
