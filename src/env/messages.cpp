#include "env/messages.h"

#include <algorithm>
#include <array>

namespace coffer::env {
namespace {

constexpr std::array kPresets{"sklearn", "torch-cpu", "xgboost"};
constexpr std::size_t kSpecMax = 1 << 20;
constexpr std::size_t kNameMax = 63;

bool is_lower_or_digit(char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); }
bool is_upper(char c) { return c >= 'A' && c <= 'Z'; }

// A PEP 508 requirement of a package of the index: no option, path or address.
bool is_requirement(std::string_view text) {
  if (text.empty() || text.size() > 500) return false;
  if (!is_lower_or_digit(text[0]) && !is_upper(text[0])) return false;
  if (std::any_of(text.begin(), text.end(), [](char c) { return c < ' ' || c > '~'; }))
    return false;
  return text.find('@') == text.npos && text.find('/') == text.npos;
}

bool is_apt_name(std::string_view text) {
  if (text.size() < 2 || text.size() > 200 || !is_lower_or_digit(text[0])) return false;
  if (text.ends_with('-')) return false;  // which apt takes for "remove"
  return std::all_of(text.begin(), text.end(), [](char c) {
    return is_lower_or_digit(c) || is_upper(c) ||
           std::string_view("+-.:=~").find(c) != std::string_view::npos;
  });
}

bool only_hashes(std::string_view options) {
  for (const auto& option : split(options, ' ')) {
    if (!trim(option).empty() && !option.starts_with("--hash=")) return false;
  }
  return true;
}

// What is wrong with a requirements file, empty when nothing is. Of pip's options it may use
// --hash: all others name places to fetch from, which are this machine's to say.
std::string problem_of_requirements(const std::string& text) {
  if (text.size() > kRequirementsMax) return "must be at most 256 KiB";
  for (const auto& raw : split(text, '\n')) {
    auto line = trim(std::string_view{raw}.substr(0, raw.find(" #")));
    if (line.ends_with('\\')) line = trim(line.substr(0, line.size() - 1));
    if (line.empty() || line.starts_with('#')) continue;
    if (const auto hash = line.find("--hash="); hash != line.npos) {
      if (!only_hashes(line.substr(hash))) return "holds another option: " + printable(line);
      line = trim(line.substr(0, hash));
      if (line.empty()) continue;
    }
    if (!is_requirement(line)) {
      return "may hold packages of the index only, no option, path or address: " + printable(line);
    }
  }
  return {};
}

void check_lists(const Spec& spec, StrictReader& in) {
  if (spec.pip.size() > kPackagesMax) in.refuse("pip", "must be at most 500 requirements");
  for (const auto& requirement : spec.pip) {
    if (is_requirement(requirement)) continue;
    in.refuse("pip", "no requirement of a package of the index: " + printable(requirement));
  }
  if (spec.apt.size() > kPackagesMax) in.refuse("apt", "must be at most 500 packages");
  for (const auto& name : spec.apt) {
    if (!is_apt_name(name)) in.refuse("apt", "no Debian package name: " + printable(name));
  }
}

enum class Kind : std::uint8_t {
  Build = 1,
  Archive,
  Cancel,
  Remove,
  Progress = 65,
  Built,
  Failed,
  Removed,
};

WireWriter record(Kind kind) {
  WireWriter out;
  out.u8(static_cast<std::uint8_t>(kind));
  return out;
}

Digest read_digest(WireReader& in) {
  auto digest = Digest::from_bytes(in.raw(32));
  if (!digest) {
    in.fail();
    return Digest{};
  }
  return *digest;
}

struct Encode {
  ByteVector operator()(const Build& m) const {
    return record(Kind::Build).text(m.name).text(m.spec).data();
  }
  ByteVector operator()(const Archive& m) const {
    return record(Kind::Archive).raw(m.archive.bytes).u64(m.offset).bytes(m.bytes).data();
  }
  ByteVector operator()(const Cancel& m) const { return record(Kind::Cancel).text(m.name).data(); }
  ByteVector operator()(const Remove& m) const {
    return record(Kind::Remove).raw(m.digest.bytes).data();
  }
  ByteVector operator()(const Progress& m) const {
    auto out = record(Kind::Progress);
    return out.text(m.name)
        .u8(static_cast<std::uint8_t>(m.stage))
        .u8(m.percent)
        .text(m.line)
        .data();
  }
  ByteVector operator()(const Built& m) const {
    auto out = record(Kind::Built);
    out.text(m.name).raw(m.digest.bytes).u64(m.bytes).u32(m.seconds);
    return out.text(m.description).data();
  }
  ByteVector operator()(const Failed& m) const {
    auto out = record(Kind::Failed);
    return out.text(m.name).u8(static_cast<std::uint8_t>(m.code)).text(m.message).data();
  }
  ByteVector operator()(const Removed& m) const {
    return record(Kind::Removed).raw(m.digest.bytes).data();
  }
};

// Braced initialisers are evaluated in order, which is the order of the fields on the wire.
Request read_request(Kind kind, WireReader& in) {
  switch (kind) {
    case Kind::Build:
      return Build{in.text(), in.text()};
    case Kind::Archive: {
      Archive part{read_digest(in), in.u64(), {}};
      const ByteView bytes = in.bytes();
      if (bytes.size() > kArchivePart || part.offset > kArchiveMax) in.fail();
      part.bytes.assign(bytes.begin(), bytes.end());
      return part;
    }
    case Kind::Cancel:
      return Cancel{in.text()};
    case Kind::Remove:
      return Remove{read_digest(in)};
    case Kind::Progress:
    case Kind::Built:
    case Kind::Failed:
    case Kind::Removed:
      break;
  }
  in.fail();
  return Cancel{};
}

Stage read_stage(WireReader& in) {
  const auto value = in.u8();
  if (value > static_cast<std::uint8_t>(Stage::Seal)) in.fail();
  return in.failed() ? Stage::Waiting : static_cast<Stage>(value);
}

Code read_code(WireReader& in) {
  const auto value = in.u8();
  if (value > static_cast<std::uint8_t>(Code::Internal)) in.fail();
  return in.failed() ? Code::Internal : static_cast<Code>(value);
}

Event read_event(Kind kind, WireReader& in) {
  switch (kind) {
    case Kind::Progress: {
      Progress progress{in.text(), read_stage(in), in.u8(), in.text()};
      if (progress.percent > 100) in.fail();
      return progress;
    }
    case Kind::Built:
      return Built{in.text(), read_digest(in), in.u64(), in.u32(), in.text()};
    case Kind::Failed:
      return Failed{in.text(), read_code(in), in.text()};
    case Kind::Removed:
      return Removed{read_digest(in)};
    case Kind::Build:
    case Kind::Archive:
    case Kind::Cancel:
    case Kind::Remove:
      break;
  }
  in.fail();
  return Removed{};
}

}  // namespace

std::vector<std::string> preset_names() { return {kPresets.begin(), kPresets.end()}; }

bool is_environment_name(std::string_view name) {
  if (name.empty() || name.size() > kNameMax || !is_lower_or_digit(name[0])) return false;
  return std::all_of(name.begin(), name.end(), [](char c) {
    return is_lower_or_digit(c) || c == '.' || c == '_' || c == '-';
  });
}

Result<Spec> Spec::parse(const Json& json) {
  if (!json.is_object()) return Error{Code::InvalidArgument, "spec: must be an object"};
  StrictReader in{json, "spec"};
  Spec spec;
  std::size_t sources = 0;
  if (json.has("preset")) {
    ++sources;
    spec.preset = in.text("preset");
    const auto names = preset_names();
    if (std::find(names.begin(), names.end(), spec.preset) == names.end()) {
      const auto near = nearest(spec.preset, names);
      in.refuse("preset", near.empty() ? "must be one of " + join(names, ", ")
                                       : "is unknown; did you mean " + near + "?");
    }
  }
  if (json.has("pip")) {
    ++sources;
    spec.pip = in.texts("pip");
    if (spec.pip.empty()) in.refuse("pip", "must name a package");
  }
  if (json.has("requirements")) {
    ++sources;
    spec.requirements = in.text("requirements");
    const auto problem = problem_of_requirements(spec.requirements);
    if (!problem.empty()) in.refuse("requirements", problem);
    if (trim(spec.requirements).empty()) in.refuse("requirements", "must name a package");
  }
  if (json.has("oci")) {
    ++sources;
    auto digest = Digest::parse(in.text("oci"));
    if (!digest) in.refuse("oci", "must be the archive's digest, sha256: and 64 hex digits");
    spec.oci = digest ? *digest : Digest{};
  }
  if (json.has("apt")) spec.apt = in.texts("apt");
  check_lists(spec, in);
  COFFER_CHECK(in.finish());
  if (sources != 1) {
    return Error{Code::InvalidArgument,
                 "spec: wants exactly one of preset, pip, requirements, oci"};
  }
  if (spec.oci && !spec.apt.empty()) {
    return Error{Code::InvalidArgument, "spec.apt: an OCI image brings its own packages"};
  }
  return spec;
}

Json Spec::json() const {
  Json json{Json::Object{}};
  if (!preset.empty()) json.set("preset", preset);
  if (!pip.empty()) json.set("pip", pip);
  if (!requirements.empty()) json.set("requirements", requirements);
  if (oci) json.set("oci", oci->text());
  if (!apt.empty()) json.set("apt", apt);
  return json;
}

std::string_view stage_name(Stage stage) {
  switch (stage) {
    case Stage::Waiting:
      return "waiting";
    case Stage::Base:
      return "base";
    case Stage::Packages:
      return "packages";
    case Stage::Image:
      return "image";
    case Stage::Seal:
      return "seal";
  }
  std::abort();
}

ByteVector encode(const Request& request) { return std::visit(Encode{}, request); }
ByteVector encode(const Event& event) { return std::visit(Encode{}, event); }

Result<Request> decode_request(ByteView bytes) {
  WireReader in{bytes};
  Request request = read_request(static_cast<Kind>(in.u8()), in);
  if (const auto* build = std::get_if<Build>(&request); build && build->spec.size() > kSpecMax)
    in.fail();
  COFFER_CHECK(in.finish());
  return request;
}

Result<Event> decode_event(ByteView bytes) {
  WireReader in{bytes};
  Event event = read_event(static_cast<Kind>(in.u8()), in);
  COFFER_CHECK(in.finish());
  return event;
}

}  // namespace coffer::env
