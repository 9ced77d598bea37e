#include "api/service.h"

#include <algorithm>
#include <memory>
#include <utility>

#include "api/problems.h"
#include "base/log.h"
#include "base/text.h"
#include "front/users.h"

namespace coffer::api {
namespace {

constexpr std::size_t kBodyMax = 8 << 20;
constexpr std::size_t kAnonymousBodyMax = 64 << 10;
constexpr std::string_view kBearer = "Bearer ";
constexpr std::size_t kKeyMax = 200;

Result<> check_parameters(const Contract& contract, const Operation& operation,
                          const PathValues& path, const net::Head& head) {
  for (const auto& parameter : operation.parameters) {
    std::optional<std::string_view> text;
    if (parameter.place == Place::Path) {
      const auto found = path.find(parameter.name);
      if (found != path.end()) text = found->second;
    } else if (parameter.place == Place::Query) {
      text = head.target.find(parameter.name);
    } else {
      text = head.headers.find(parameter.name);
    }
    if (text) {
      COFFER_CHECK(contract.check_parameter(parameter, *text));
    } else if (parameter.required) {
      return Error{Code::InvalidArgument, "this request needs " + parameter.name}
          .as("bad_request")
          .at(parameter.name);
    }
  }
  for (const auto& [name, value] : head.target.query) {
    const bool known =
        std::any_of(operation.parameters.begin(), operation.parameters.end(),
                    [&, &key = name](const Parameter& parameter) {
                      return parameter.place == Place::Query && parameter.name == key;
                    });
    if (!known) {
      return Error{Code::InvalidArgument, "there is no parameter " + printable(name, 60) + " here"}
          .as("unknown_field")
          .at(printable(name, 60));
    }
  }
  return {};
}

Result<> check_roles(const Operation& operation, const front::Caller& caller) {
  if (operation.roles.empty()) return {};
  const bool may = std::any_of(operation.roles.begin(), operation.roles.end(),
                               [&](const std::string& role) { return caller.is(role); });
  if (may) return {};
  return Error{Code::Denied, "this needs the role " + join(operation.roles, " or ")}
      .as("role_required")
      .then("ask an operator: coffer user add");
}

Error unauthenticated(std::string message) {
  return Error{Code::Denied, std::move(message)}.as("unauthenticated").then("coffer login");
}

}  // namespace

Service::Service(Services& services, const Clock& clock)
    : services_(services), routes_(all_routes()), failures_(clock) {}

// Behind a proxy the last address of X-Forwarded-For is the one that the proxy saw itself.
std::string Service::address_of(const net::Head& head) const {
  if (services_.reach == Reach::Direct) return head.peer.address;
  const std::string_view forwarded = head.headers.get("X-Forwarded-For");
  const auto comma = forwarded.rfind(',');
  return std::string(
      trim(comma == std::string_view::npos ? forwarded : forwarded.substr(comma + 1)));
}

Result<Service::Understood> Service::find_route(const net::Head& head) const {
  bool other_method = false;
  const Route* fallback = nullptr;  // HEAD of what only GET names
  PathValues fallback_path;
  for (const Route* route : routes_) {
    auto path = match(route->pattern, head.target.segments);
    if (!path) continue;
    if (route->method == head.method) {
      return Understood{route, services_.contract.find(route->operation), std::move(*path), {}};
    }
    if (head.method == "HEAD" && route->method == "GET") {
      fallback = route;
      fallback_path = std::move(*path);
    }
    other_method = true;
  }
  if (fallback != nullptr) {
    return Understood{
        fallback, services_.contract.find(fallback->operation), std::move(fallback_path), {}};
  }
  const std::string what = printable(head.target.path, 200);
  if (other_method) {
    return Error{Code::InvalidArgument, what + " takes no " + printable(head.method, 20)}.as(
        "method_not_allowed");
  }
  return Error{Code::NotFound, "there is nothing at " + what}
      .as("not_found")
      .then("GET /v1/openapi.json lists what there is");
}

std::string Service::methods_at(const net::Head& head) const {
  std::vector<std::string> methods;
  for (const Route* route : routes_) {
    if (match(route->pattern, head.target.segments)) methods.emplace_back(route->method);
  }
  return join(methods, ", ");
}

Result<front::Caller> Service::authenticate(const net::Head& head, const Route& route) {
  const bool near = services_.reach == Reach::Direct && head.peer.loopback;
  if (route.access == Access::Open || (route.access == Access::Local && near))
    return front::Caller{};
  const std::string address = address_of(head);
  if (!failures_.permits(address)) {
    return Error{Code::Unavailable, "too many failed logins from this address: wait a moment"}.as(
        "rate_limited");
  }
  const std::string_view given = head.headers.get("Authorization");
  if (!given.starts_with(kBearer)) {
    return unauthenticated("this needs a token: Authorization: Bearer cft_...");
  }
  auto caller = front::authenticate(services_.site, given.substr(kBearer.size()));
  if (!caller && caller.error().rule == "unauthenticated") failures_.failed(address);
  if (!caller) return caller;
  if (route.access == Access::Local && !caller->is("operator")) {
    return Error{Code::Denied, "from elsewhere this needs the role operator"}.as("role_required");
  }
  return caller;
}

Result<Service::Understood> Service::understand(const net::Head& head) {
  COFFER_TRY(Understood request, find_route(head));
  if (request.operation == nullptr) {
    return Error{Code::Internal, "the contract lacks " + std::string(request.route->operation)};
  }
  COFFER_TRY(request.caller, authenticate(head, *request.route));
  COFFER_CHECK(check_roles(*request.operation, request.caller));
  COFFER_CHECK(check_parameters(services_.contract, *request.operation, request.path, head));
  return request;
}

net::Intake Service::admit(const net::Head& head) {
  const auto refuse = [&](const Operation* operation, const Error& error) {
    auto response = problem_response(error);
    if (response.status == 405) response.headers.add("Allow", methods_at(head));
    response.headers.add("Coffer-Version", COFFER_VERSION);
    services_.metrics.answered(operation != nullptr ? operation->id : "none", response.status);
    return response;
  };
  auto request = understand(head);
  if (!request) return refuse(nullptr, request.error());
  if (services_.draining && request->route->access == Access::Token) {
    return refuse(request->operation,
                  Error{Code::Unavailable, "the server is about to stop: try again in a moment"}.as(
                      "draining"));
  }
  if (const auto* receive = std::get_if<Receive>(&request->route->handler)) {
    Call call{services_, head, request->caller, request->path};
    auto into = receive->into(call);
    if (!into) return refuse(request->operation, into.error());
    return std::move(*into);
  }
  const bool token = request->route->access == Access::Token;
  if (!head.headers.find("Content-Length") && !head.headers.find("Transfer-Encoding")) {
    admitted_ = std::move(*request);
  }
  return net::IntoMemory{token ? kBodyMax : kAnonymousBodyMax};
}

Result<Json> Service::read_body(const Understood& request, const net::Request& given) const {
  if (request.operation->body == nullptr) {
    if (given.body.empty() || trim(given.body) == "{}") return Json{};
    return Error{Code::InvalidArgument, "this request takes no body"}.as("bad_request");
  }
  auto body = Json::parse(given.body);
  if (!body) return std::move(body).error().in("the body").as("bad_request");
  COFFER_CHECK(services_.contract.check_body(*request.operation, *body));
  return body;
}

void Service::send(const Operation* operation, net::Response response, net::Reply reply) {
  services_.metrics.answered(operation != nullptr ? operation->id : "none", response.status);
  response.headers.add("Coffer-Version", COFFER_VERSION);
  std::move(reply).send(std::move(response));
}

void Service::serve(net::Request request, net::Reply reply) {
  auto understood = admitted_ ? Result<Understood>{*std::exchange(admitted_, std::nullopt)}
                              : understand(request.head);
  if (!understood) return send(nullptr, problem_response(understood.error()), std::move(reply));
  Call call{services_, request.head, understood->caller, understood->path};
  if (!std::holds_alternative<Receive>(understood->route->handler)) {
    auto body = read_body(*understood, request);
    if (!body) {
      return send(understood->operation, problem_response(body.error()), std::move(reply));
    }
    call.body = std::move(*body);
  }
  answer(*understood, call, request, std::move(reply));
}

void Service::answer(const Understood& request, Call& call, const net::Request& given,
                     net::Reply reply) {
  const auto& handler = request.route->handler;
  const auto whole = [&](Result<net::Response> made) {
    send(request.operation, made ? std::move(*made) : problem_response(made.error()),
         std::move(reply));
  };
  if (const auto* f = std::get_if<Whole>(&handler)) return whole((*f)(call));
  if (const auto* f = std::get_if<Receive>(&handler)) return whole(f->then(call));
  if (const auto* f = std::get_if<Stream>(&handler)) {
    services_.metrics.answered(request.operation->id, 200);
    return (*f)(call, std::move(reply));
  }
  std::optional<front::AnswerKey> key;
  const std::string_view name = given.head.headers.get("Idempotency-Key");
  if (!name.empty() && given.head.method == "POST") {
    if (name.size() > kKeyMax) {
      return whole(Error{Code::InvalidArgument, "Idempotency-Key is longer than 200 characters"}
                       .as("bad_request")
                       .at("Idempotency-Key")
                       .above(std::to_string(kKeyMax)));
    }
    key = front::AnswerKey{.user = request.caller.user,
                           .route = given.head.target.path,
                           .key = std::string(name),
                           .body = sha256(given.body)};
    auto kept = front::find_answer(services_.site, *key);
    if (!kept) return whole(std::move(kept).error());
    if (*kept) return whole(net::Response::json((*kept)->status, (*kept)->body));
  }
  if (const auto* f = std::get_if<Document>(&handler)) {
    return finish(request, std::move(key), (*f)(call), std::move(reply));
  }
  // What is under way is answered once, from the loop.
  auto later = std::make_shared<net::Reply>(std::move(reply));
  std::get<Later>(handler)(call, [this, request, key, later](Result<Json> document) {
    finish(request, key, std::move(document), std::move(*later));
  });
}

void Service::finish(const Understood& request, std::optional<front::AnswerKey> key,
                     Result<Json> document, net::Reply reply) {
  if (!document)
    return send(request.operation, problem_response(document.error()), std::move(reply));
  auto response = net::Response::json(request.operation->status, document->canonical() + "\n");
  if (!request.route->location.empty()) {
    response.headers.add("Location",
                         std::string(request.route->location) + document->text_or("id", ""));
  }
  if (request.route->secrecy == Secrecy::Secret) response.headers.add("Cache-Control", "no-store");
  if (key) {
    const front::KeptAnswer answer{response.status, std::get<std::string>(response.body)};
    // Not kept, a second call does the same again: the first has been done and is answered.
    if (auto done = front::keep_answer(services_.site, *key, answer); !done) {
      log_error("api", "an answer could not be kept", done.error());
    }
  }
  send(request.operation, std::move(response), std::move(reply));
}

net::Response Service::problem(int status, std::string_view code, std::string_view text) {
  services_.metrics.answered("none", status);
  return problem_response(status, code, text);
}

}  // namespace coffer::api
