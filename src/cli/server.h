// A Cofferdam server as its API offers it: JSON in and out, lists, uploads, downloads.
//
// Invariants: a creating call carries an Idempotency-Key and so may be sent again; an upload goes
// on from where the server says it stands, also after a lost connection.
// Errors: what problem.h makes of an answer that is not 2xx (exit 1); unreachable (exit 3) when no
// answer came; Corrupt for an answer that is no JSON.
// Thread-safety: one thread. Lifetime: as net::Client. Source: src/api/openapi.json.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "base/result.h"
#include "cli/terminal.h"
#include "net/client.h"

namespace coffer::cli {

struct ServerAddress {
  std::string url{};
  std::string token{};    // "" before login
  std::string ca_file{};  // more authorities, PEM
};

// "/v1/datasets/clinic/tumours": each part percent-encoded.
std::string target(std::initializer_list<std::string_view> parts);
// "?limit=5&q=…" of those that are not empty.
std::string query(const std::vector<std::pair<std::string, std::string>>& fields);

// Says on the line how far a transfer is.
inline net::Progress shown_on(ProgressLine& line) {
  return [&line](net::Moved moved) {
    line.bytes(moved.done, moved.total);
    return true;
  };
}

class Server {
 public:
  static Result<Server> open(ServerAddress address);
  const std::string& url() const { return address_.url; }
  // The error; where the server has another version than this program, naming both.
  Error with_versions(Error error) const;

  Result<Json> get(const std::string& target);
  Result<std::string> get_text(const std::string& target);
  // `idempotency`: "" draws one.
  Result<Json> post(const std::string& target, const Json& body, std::string idempotency = {});
  Result<Json> patch(const std::string& target, const Json& body);
  Result<> remove(const std::string& target);
  // All pages of a list, at most `items_max`.
  Result<Json::Array> list(const std::string& path, const std::string& query = {},
                           std::size_t items_max = 100'000);

  // The body into `fd`, from its present position; `first` bytes are there already.
  Result<> download(const std::string& target, int fd, const net::Progress& progress = {},
                    std::uint64_t first = 0);
  // Sends a whole file and answers with the upload's id.
  Result<std::string> upload(int fd, const net::Progress& progress = {});
  Result<std::string> upload_bytes(std::string_view bytes);

 private:
  Server(ServerAddress address, net::Client client)
      : address_(std::move(address)), client_(std::move(client)) {}
  Result<net::Answer> send(const net::Call& call);
  Result<Json> send_json(net::Call call);
  Result<std::uint64_t> upload_offset(const std::string& id);

  ServerAddress address_;
  std::string version_;  // as its last answer said
  net::Client client_;
};

}  // namespace coffer::cli
