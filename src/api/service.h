// The service: from a request's head to its answer.
//
// Every request takes the same way: its route is found, its caller authenticated, its role, its
// parameters and its body checked against the contract; then the route's handler runs. What is
// refused on the way is a problem and has changed nothing.
// Invariants: an address that keeps failing to authenticate is not looked up; an answer kept under
// an Idempotency-Key is given again without running the handler.
// Errors: as problem+json. Thread-safety: the loop thread. Lifetime: borrows what it is given.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "api/call.h"
#include "api/rate_limit.h"
#include "api/routes.h"
#include "front/answers.h"
#include "net/server.h"

namespace coffer::api {

class Service final : public net::Handler {
 public:
  // `clock` measures how often an address fails.
  Service(Services& services, const Clock& clock);

  net::Intake admit(const net::Head& head) override;
  void serve(net::Request request, net::Reply reply) override;
  net::Response problem(int status, std::string_view code, std::string_view text) override;

 private:
  // A request whose head is in order.
  struct Understood {
    const Route* route;
    const Operation* operation;
    PathValues path;
    front::Caller caller;
  };
  Result<Understood> understand(const net::Head& head);
  Result<Understood> find_route(const net::Head& head) const;
  std::string methods_at(const net::Head& head) const;
  Result<front::Caller> authenticate(const net::Head& head, const Route& route);
  std::string address_of(const net::Head& head) const;
  Result<Json> read_body(const Understood& request, const net::Request& given) const;
  void answer(const Understood& request, Call& call, const net::Request& given, net::Reply reply);
  // Answers, and keeps the answer where the client named a key for it.
  void finish(const Understood& request, std::optional<front::AnswerKey> key, Result<Json> document,
              net::Reply reply);
  void send(const Operation* operation, net::Response response, net::Reply reply);

  Services& services_;
  std::vector<const Route*> routes_;
  // A request without a body, between admit() and the serve() that follows at once. With a body the
  // token is looked up again: it may have been replaced meanwhile.
  std::optional<Understood> admitted_;
  RateLimit failures_;
};

}  // namespace coffer::api
