#include "env/host.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <cctype>

#include "base/text.h"
#include "os/files.h"

namespace coffer::env {
namespace {

namespace fs = std::filesystem;

constexpr std::uint64_t kFileMax = 16 << 20;
constexpr std::string_view kCertificates = "/etc/ssl/certs/ca-certificates.crt";
constexpr std::array<std::string_view, 8> kProxies{"http_proxy", "https_proxy", "no_proxy",
                                                   "all_proxy",  "HTTP_PROXY",  "HTTPS_PROXY",
                                                   "NO_PROXY",   "ALL_PROXY"};
constexpr std::array<std::string_view, 3> kBundles{"SSL_CERT_FILE", "REQUESTS_CA_BUNDLE",
                                                   "CURL_CA_BUNDLE"};
// pip's options that are not about where packages come from, or that we set ourselves.
constexpr std::array<std::string_view, 19> kNotOurs{"PIP_TARGET",
                                                    "PIP_PREFIX",
                                                    "PIP_ROOT",
                                                    "PIP_USER",
                                                    "PIP_CACHE_DIR",
                                                    "PIP_LOG",
                                                    "PIP_SRC",
                                                    "PIP_REQUIREMENT",
                                                    "PIP_EDITABLE",
                                                    "PIP_REQUIRE_VIRTUALENV",
                                                    "PIP_DRY_RUN",
                                                    "PIP_REPORT",
                                                    "PIP_PYTHON",
                                                    "PIP_CONFIG_FILE",
                                                    "PIP_UPGRADE",
                                                    "PIP_FORCE_REINSTALL",
                                                    "PIP_IGNORE_INSTALLED",
                                                    "PIP_NO_DEPS",
                                                    "PIP_COMPILE"};

template <class List>
bool holds(const List& list, std::string_view name) {
  return std::find(list.begin(), list.end(), name) != list.end();
}

std::string value_of(const Variables& variables, const std::string& name) {
  const auto found = variables.find(name);
  return found == variables.end() ? std::string{} : found->second;
}

class Gathering {
 public:
  Gathering(const Variables& variables, fs::path directory)
      : variables_(variables), directory_(std::move(directory)) {}

  Result<HostSettings> run() {
    result_.binds.push_back({.source = directory_, .target = "/host"});
    for (const auto& [name, value] : variables_) {
      const bool pip = name.starts_with("PIP_") && !holds(kNotOurs, name);
      if (!pip && !holds(kProxies, name) && !holds(kBundles, name)) continue;
      COFFER_TRY(result_.variables[name], carried(value));
    }
    COFFER_CHECK(configuration_files());
    // Debian's pip believes this file, which the cell does not have.
    if (!result_.variables.contains("PIP_CERT") && !certificate_configured_) {
      COFFER_TRY(std::string copy, carried(std::string(kCertificates)));
      if (copy != kCertificates) result_.variables["PIP_CERT"] = std::move(copy);
    }
    for (const char* file : {"/etc/resolv.conf", "/etc/hosts"}) {
      if (auto content = read_text(file, kFileMax)) {
        result_.files.push_back({file, std::move(content).value()});
      }
    }
    return std::move(result_);
  }

 private:
  // A setting, with every path of this machine in it replaced by where the cell finds it.
  Result<std::string> carried(const std::string& value) {
    std::string result;
    for (const auto& word : split(value, ' ')) {
      const std::string_view scheme = word.starts_with("file://") ? "file://" : "";
      COFFER_TRY(const std::string place, place_of(word.substr(scheme.size())));
      result += (result.empty() ? "" : " ") + std::string(scheme) + place;
    }
    return result;
  }

  Result<std::string> place_of(const std::string& path) {
    std::error_code ignored;
    if (!path.starts_with('/')) return path;
    if (const auto known = places_.find(path); known != places_.end()) return known->second;
    const std::string name = std::to_string(places_.size());
    if (fs::is_regular_file(path, ignored)) {
      auto content = read_file(fs::canonical(path, ignored), kFileMax);
      if (!content) return path;  // not ours to read: pip will say what it misses
      COFFER_CHECK(write_file(directory_ / name, *content, 0644));
      return places_[path] = "/host/" + name;
    }
    if (fs::is_directory(path, ignored) && fs::canonical(path, ignored) != "/") {
      result_.binds.push_back({.source = fs::canonical(path, ignored), .target = "/shown/" + name});
      return places_[path] = "/shown/" + name;
    }
    return path;
  }

  // pip's own files: of the machine, of the user, and the one that is named.
  Result<> configuration_files() {
    const fs::path home = value_of(variables_, "HOME");
    const std::string own = value_of(variables_, "XDG_CONFIG_HOME");
    const fs::path config = own.empty() ? home / ".config" : fs::path(own);
    COFFER_CHECK(make_directories(directory_ / "config/pip", 0755));
    COFFER_CHECK(configuration_file("/etc/pip.conf", {}, "/etc/pip.conf"));
    auto user = config / "pip/pip.conf";
    std::error_code ignored;
    if (!fs::exists(user, ignored)) user = home / ".pip/pip.conf";
    COFFER_CHECK(configuration_file(user, directory_ / "config/pip/pip.conf", {}));
    result_.variables["XDG_CONFIG_HOME"] = "/host/config";
    const auto named = value_of(variables_, "PIP_CONFIG_FILE");
    if (named.empty()) return {};
    if (named == "/dev/null") {  // pip's word for "no configuration at all"
      result_.variables["PIP_CONFIG_FILE"] = named;
      return {};
    }
    result_.variables["PIP_CONFIG_FILE"] = "/host/config/named";
    return configuration_file(named, directory_ / "config/named", {});
  }

  // Rewrites `from` to the file `copy`, or to the cell's own file `inside`.
  Result<> configuration_file(const fs::path& from, const fs::path& copy,
                              const std::string& inside) {
    const auto text = read_text(from, kFileMax);
    if (!text) return {};
    std::string rewritten;
    for (const auto& line : split(*text, '\n')) {
      COFFER_TRY(const auto changed, configuration_line(line));
      rewritten += changed + "\n";
    }
    if (!inside.empty()) {
      result_.files.push_back({inside, std::move(rewritten)});
      return {};
    }
    return write_text(copy, rewritten, 0644);
  }

  Result<std::string> configuration_line(const std::string& line) {
    const auto equals = line.find_first_of("=:");
    if (line.empty() || line[0] == '#' || line[0] == ';' || line[0] == '[') return line;
    if (std::isspace(static_cast<unsigned char>(line[0])) != 0) {  // goes on from the line before
      COFFER_TRY(const auto value, carried(std::string(trim(line))));
      return "    " + value;
    }
    if (equals == line.npos) return line;
    const std::string key(trim(std::string_view{line}.substr(0, equals)));
    std::string variable = "PIP_" + key;
    for (auto& c : variable) {
      c = c == '-' ? '_' : static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
    }
    if (holds(kNotOurs, variable)) return std::string{};
    if (variable == "PIP_CERT") certificate_configured_ = true;
    COFFER_TRY(const auto value, carried(std::string(trim(line.substr(equals + 1)))));
    return key + " = " + value;
  }

  const Variables& variables_;
  fs::path directory_;
  HostSettings result_;
  std::map<std::string, std::string> places_;
  bool certificate_configured_{false};
};

}  // namespace

Variables process_variables() {
  Variables variables;
  for (char** item = ::environ; item != nullptr && *item != nullptr; ++item) {
    const std::string_view text{*item};
    const auto equals = text.find('=');
    if (equals != text.npos)
      variables[std::string(text.substr(0, equals))] = text.substr(equals + 1);
  }
  return variables;
}

Result<HostSettings> host_settings(const Variables& variables, const fs::path& directory) {
  return Gathering{variables, directory}.run();
}

}  // namespace coffer::env
