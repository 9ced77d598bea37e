#include "api/status_page.h"

#include <fmt/format.h>

#include "base/text.h"

namespace coffer::api {
namespace {

constexpr std::string_view kHead = R"html(<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Cofferdam</title>
<style>
:root { color-scheme: light dark; --ink: #16202a; --soft: #5b6874; --line: #d8dee4; --paper: #fbfcfd;
  --box: #f1f4f7; --good: #1a7f4b; --wait: #a05a00; }
@media (prefers-color-scheme: dark) { :root { --ink: #e7edf3; --soft: #98a6b3; --line: #2c3742;
  --paper: #10161c; --box: #18212a; --good: #58c48d; --wait: #e0a44c; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--paper); color: var(--ink);
  font: 16px/1.55 system-ui, -apple-system, "Segoe UI", sans-serif; }
main { max-width: 46rem; margin: 0 auto; padding: 3rem 1.25rem 4rem; }
h1 { font-size: 1.9rem; margin: 0 0 .2rem; letter-spacing: -.01em; }
h2 { font-size: 1.05rem; margin: 2.4rem 0 .7rem; }
.lead { color: var(--soft); margin: 0 0 1.6rem; }
.state { font-weight: 600; }
.ok { color: var(--good); }
.wait { color: var(--wait); }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .35rem 1.4rem; margin: 0; }
dt { color: var(--soft); }
dd { margin: 0; overflow-wrap: anywhere; }
pre { background: var(--box); border: 1px solid var(--line); border-radius: 8px; padding: .9rem 1rem;
  overflow-x: auto; margin: 0; font-size: .86rem; line-height: 1.5; }
code, pre { font-family: ui-monospace, "SFMono-Regular", Menlo, Consolas, monospace; }
table { border-collapse: collapse; width: 100%; font-size: .92rem; }
th, td { text-align: left; padding: .45rem .8rem .45rem 0; border-bottom: 1px solid var(--line);
  overflow-wrap: anywhere; vertical-align: top; }
th { color: var(--soft); font-weight: 500; }
th, td:not(:last-child) { white-space: nowrap; }
footer { margin-top: 2.6rem; color: var(--soft); font-size: .9rem; }
a { color: inherit; }
</style>
</head>
<body>
<main>
)html";

constexpr std::string_view kFoot = R"html(<footer>
<a href="/v1/openapi.json">API</a> &middot; <a href="/v1/version">version</a> &middot;
<a href="/ledger/checkpoint">checkpoint</a>
</footer>
</main>
</body>
</html>
)html";

std::string environments_table(const StatusFacts& facts) {
  if (facts.environments.empty()) {
    return "<p class=\"lead\">None yet. An operator adds one with"
           " <code>coffer env add NAME --preset sklearn</code>.</p>\n";
  }
  std::string out = "<table>\n<tr><th>Name</th><th>State</th><th>Digest</th></tr>\n";
  for (const auto& one : facts.environments) {
    out += fmt::format("<tr><td>{}</td><td>{}</td><td><code>{}</code></td></tr>\n",
                       html_escape(one.name), html_escape(one.state), html_escape(one.digest));
  }
  return out + "</table>\n";
}

std::string facts_list(const StatusFacts& facts) {
  return fmt::format(
      "<dl>\n<dt>State</dt><dd class=\"state {}\">{}</dd>\n"
      "<dt>Version</dt><dd>{}</dd>\n"
      "<dt>Ledger</dt><dd>{} {}</dd>\n"
      "<dt>Ledger key</dt><dd><code>{}</code></dd>\n"
      "<dt>Keeper</dt><dd><code>{}</code></dd>\n</dl>\n",
      facts.ready ? "ok" : "wait", facts.ready ? "ready" : "not ready for runs",
      html_escape(facts.version), render_count(facts.entries),
      facts.entries == 1 ? "entry" : "entries", html_escape(facts.ledger_vkey),
      html_escape(facts.fingerprint));
}

}  // namespace

std::string html_escape(std::string_view text) {
  std::string out;
  for (const char c : text) {
    switch (c) {
      case '&':
        out += "&amp;";
        break;
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      case '"':
        out += "&quot;";
        break;
      case '\'':
        out += "&#39;";
        break;
      default:
        out += c;
    }
  }
  return out;
}

std::string status_page(const StatusFacts& facts) {
  std::string out{kHead};
  out += "<h1>Cofferdam</h1>\n<p class=\"lead\">Data does not move, programs do.</p>\n";
  out += facts_list(facts);
  const std::string address = facts.address.empty() ? "localhost:7070" : facts.address;
  out += fmt::format(
      "<h2>Log in</h2>\n<p>An operator gives you a token; its last 16 characters are those of the "
      "keeper"
      " above.</p>\n<pre>coffer login {}://{} --token -\ncoffer inbox</pre>\n",
      facts.secure ? "https" : "http", html_escape(address));
  out += "<h2>Environments</h2>\n" + environments_table(facts);
  out +=
      "<h2>Checkpoint</h2>\n<p>Every grant, run, charge and release is an entry. Anybody can keep a"
      " copy and check it: <code>coffer ledger export -o DIR</code>, then <code>coffer ledger "
      "verify"
      " DIR --key VKEY</code>.</p>\n";
  out += facts.checkpoint.empty() ? std::string("<p class=\"lead\">No entry yet.</p>\n")
                                  : "<pre>" + html_escape(facts.checkpoint) + "</pre>\n";
  out += kFoot;
  return out;
}

}  // namespace coffer::api
