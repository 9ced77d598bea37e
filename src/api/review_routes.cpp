// Held outputs, approvals, releases.

#include <fcntl.h>
#include <sys/stat.h>

#include "api/routes.h"
#include "front/reviews.h"

namespace coffer::api {
namespace {

Result<Json> reviews(Call& call) {
  return front::list_reviews(call.site(), call.caller, call.page());
}

Result<Json> evidence(Call& call) {
  return front::open_evidence(call.site(), call.caller, call.at("run"), call.at("output"));
}

Result<net::Response> sealed(Call& call, front::SealedFile which) {
  COFFER_TRY(const auto path, front::sealed_file(call.site(), call.caller, call.at("run"),
                                                 call.at("output"), which));
  UniqueFd fd{::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW)};
  struct stat info {};
  if (!fd || ::fstat(fd.get(), &info) != 0) {
    return Error{Code::Corrupt, "the sealed bytes are not where they belong", path.string()};
  }
  return net::file_response(call.head, std::move(fd), static_cast<std::uint64_t>(info.st_size),
                            "application/octet-stream");
}

Result<net::Response> output_sealed(Call& call) { return sealed(call, front::SealedFile::Output); }
Result<net::Response> evidence_sealed(Call& call) {
  return sealed(call, front::SealedFile::Evidence);
}

Result<Json> approve(Call& call) {
  return front::post_approval(call.site(), call.caller, call.envelope());
}

Result<Json> release_key(Call& call) {
  return front::open_release(call.site(), call.caller, call.at("run"), call.at("output"));
}

Result<Json> releases(Call& call) {
  return front::list_releases(call.site(), call.caller, call.query("run"), call.page());
}

Result<Json> release(Call& call) {
  return front::show_release(call.site(), call.caller, call.at("release"));
}

constexpr Route kRoutes[] = {
    {"GET", "/v1/reviews", "reviews", Document{reviews}},
    {"GET", "/v1/runs/{run}/outputs/{output}/evidence", "evidence", Document{evidence}},
    {"GET", "/v1/runs/{run}/outputs/{output}/sealed", "outputSealed", Whole{output_sealed}},
    {"GET", "/v1/runs/{run}/outputs/{output}/sealed-evidence", "evidenceSealed",
     Whole{evidence_sealed}},
    {"POST", "/v1/approvals", "approve", Document{approve}},
    {"GET", "/v1/runs/{run}/outputs/{output}/release", "releaseKey", Document{release_key}},
    {"GET", "/v1/releases", "releases", Document{releases}},
    {"GET", "/v1/releases/{release}", "release", Document{release}},
};

}  // namespace

std::span<const Route> review_routes() { return kRoutes; }

}  // namespace coffer::api
