// Call: one request that was understood, allowed and checked; and how its answer is made.
//
// Invariants: when a handler sees a Call, the caller is authenticated (unless the route is open),
// has one of the roles that the contract names, every parameter that is there fits its schema, and
// so does the body. Errors: none of its own. Thread-safety: the loop thread. Lifetime: within the
// handler; what answers later copies what it needs.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <string_view>

#include "api/contract.h"
#include "api/metrics.h"
#include "front/runs.h"
#include "net/server.h"

namespace coffer::api {

class Streams;

// Where requests come from: behind a proxy no address of a socket says who asked.
enum class Reach : std::uint8_t { Direct, Proxied };

// What handlers work with; one for the life of the server.
struct Services {
  front::Site& site;
  const Contract& contract;
  Metrics& metrics;
  Streams& streams;
  Reach reach{Reach::Direct};
  bool tls{false};
  bool draining{false};
};

struct Call {
  Services& services;
  const net::Head& head;
  front::Caller caller;
  std::map<std::string, std::string, std::less<>> path{};  // values of the {…} of the route
  Json body{};

  front::Site& site() const { return services.site; }
  const std::string& at(std::string_view name) const { return path.find(name)->second; }
  std::string query(std::string_view name) const;
  // A parameter that is a number, checked by its schema; `otherwise` where it is absent.
  std::uint64_t query_number(std::string_view name, std::uint64_t otherwise) const;
  std::uint64_t header_number(std::string_view name, std::uint64_t otherwise) const;
  front::Page page() const;
  // The signed envelope of the body, as canonical text; empty where it is null.
  std::string envelope() const;
  // Text of the body's member, empty where it is null or absent.
  std::string text(std::string_view member) const { return body.text_or(member, ""); }
};

}  // namespace coffer::api
