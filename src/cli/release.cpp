// coffer fetch; coffer release ls, show, fetch.
#include <fcntl.h>
#include <unistd.h>

#include "cli/command.h"
#include "cli/files.h"
#include "cli/run.h"
#include "cli/sealed.h"
#include "os/files.h"

namespace coffer::cli {
namespace {

namespace fs = std::filesystem;

Result<ByteVector> download_sealed(Session& session, const std::string& path,
                                   const std::string& title) {
  COFFER_TRY(Server * server, session.server());
  COFFER_TRY(const Places places, session.places());
  COFFER_TRY(const UniqueFd fd, scratch_file(places.data / "scratch"));
  ProgressLine progress{session.terminal(), session.clock(), "fetching " + title};
  COFFER_CHECK(server->download(path, fd.get(), shown_on(progress)));
  COFFER_TRY(const std::uint64_t size, size_of(fd.get()));
  if (::lseek(fd.get(), 0, SEEK_SET) < 0) return Error{Code::Unavailable, "cannot seek"};
  return coffer::read_all(fd.get(), size);
}

struct Options {
  std::string name;
  std::string output;
};

Result<int> fetch(Session& session, const Options& options) {
  RunOutputName name = split_run_output(options.name);
  COFFER_TRY(name.run, session.resolve(kRunNoun, name.run));
  std::vector<FetchedRelease> fetched;
  if (name.output.empty()) {
    COFFER_TRY(fetched, fetch_run(session, name.run, options.output));
  } else {
    COFFER_TRY(FetchedRelease one, fetch_output(session, name, options.output));
    fetched.push_back(std::move(one));
  }
  session.print(Json::object({{"run", name.run}, {"fetched", fetched_json(fetched)}}),
                [&] { return render_fetched(fetched); });
  return kExitDone;
}

Result<int> list_releases(Session& session) {
  COFFER_TRY(Server * server, session.server());
  COFFER_TRY(const Json::Array items, server->list("/v1/releases"));
  session.print(Json::object({{"items", items}}), [&] {
    std::vector<Cells> rows;
    for (const auto& item : items) {
      rows.push_back(
          {item.text_or("id", ""), item.text_or("run", ""), printable(item.text_or("file", "")),
           render_count(item["bits"].as_uint().value_or(0)), item.text_or("released", "")});
    }
    return render_table({"RELEASE", "RUN", "FILE", ">BITS", "RELEASED"}, rows);
  });
  return kExitDone;
}

Result<Json> release_of(Session& session, const std::string& text) {
  COFFER_TRY(const std::string id, session.resolve(kReleaseNoun, text));
  COFFER_TRY(Server * server, session.server());
  return server->get(target({"v1", "releases", id}));
}

Result<int> show_release(Session& session, const std::string& text) {
  COFFER_TRY(const Json release, release_of(session, text));
  session.print(release, [&] {
    return render_fields(
        {{"release", release.text_or("id", "")},
         {"of", release.text_or("run", "") + "/" + printable(release.text_or("output", ""))},
         {"file", printable(release.text_or("file", ""))},
         {"digest", release.text_or("digest", "")},
         {"bits", render_count(release["bits"].as_uint().value_or(0))},
         {"released", release.text_or("released", "")},
         {"ledger entry", std::to_string(release["entry"].int_or("index", -1))}});
  });
  return kExitDone;
}

Result<int> fetch_release(Session& session, const Options& options) {
  COFFER_TRY(const Json release, release_of(session, options.name));
  COFFER_TRY(FetchedRelease one,
             fetch_output(session, {release.text_or("run", ""), release.text_or("output", "")},
                          options.output));
  const std::vector<FetchedRelease> fetched{std::move(one)};
  session.print(Json::object({{"fetched", fetched_json(fetched)}}),
                [&] { return render_fetched(fetched); });
  return kExitDone;
}

}  // namespace

Result<FetchedRelease> fetch_output(Session& session, const RunOutputName& name,
                                    const std::string& directory) {
  COFFER_TRY(Server * server, session.server());
  COFFER_TRY(const Profile* profile, session.profile());
  COFFER_TRY(const Json answer,
             server->get(target({"v1", "runs", name.run, "outputs", name.output, "release"})));
  COFFER_TRY(const Digest run, Digest::parse(answer.text_or("run_digest", "")));
  if (grant::run_id(run) != name.run) {
    return refused("corrupt", "the server's release is of another run");
  }
  COFFER_TRY(const ReleaseFacts facts,
             check_release(answer["release"], run, profile->keeper.ledger_vkey));
  COFFER_TRY(const ByteVector key_bytes, session.open_box(answer["key"]));
  COFFER_TRY(const Key key, key_from(key_bytes));
  COFFER_TRY(
      const ByteVector sealed,
      download_sealed(session, target({"v1", "runs", name.run, "outputs", name.output, "sealed"}),
                      name.run + "/" + name.output));
  COFFER_TRY(const OpenedFile file, open_sealed(key, sealed, run, name.output));
  if (file.digest != facts.content || facts.output != name.output) {
    return refused("corrupt", "what was sealed is not what the ledger says was released");
  }
  const fs::path into = directory;
  COFFER_CHECK(replace_file(into / facts.file, file.content, Access::Ordinary));
  COFFER_CHECK(replace_file(into / "release.json", facts.release_json, Access::Ordinary));
  COFFER_CHECK(replace_file(into / "release.tlog-proof", facts.proof, Access::Ordinary));
  return FetchedRelease{name.output, directory, facts.file};
}

Result<std::vector<FetchedRelease>> fetch_run(Session& session, const std::string& id,
                                              const std::string& directory) {
  COFFER_TRY(Server * server, session.server());
  COFFER_TRY(const Json run, server->get(target({"v1", "runs", id})));
  std::vector<FetchedRelease> fetched;
  if (const auto* outputs = run["outputs"].as_array()) {
    for (const auto& output : *outputs) {
      if (output.text_or("verdict", "") != "released") continue;
      const std::string name = output.text_or("name", "");
      if (!program::is_name(name)) return refused("corrupt", "the server names no output so");
      COFFER_TRY(FetchedRelease one,
                 fetch_output(session, {id, name}, (fs::path(directory) / name).string()));
      fetched.push_back(std::move(one));
    }
  }
  if (fetched.empty()) {
    return refused("not_released", "nothing of " + id + " is released", "coffer runs show " + id);
  }
  return fetched;
}

Json fetched_json(const std::vector<FetchedRelease>& fetched) {
  Json items = Json::array();
  for (const auto& one : fetched) {
    items.push(
        Json::object({{"output", one.output}, {"directory", one.directory}, {"file", one.file}}));
  }
  return items;
}

std::string render_fetched(const std::vector<FetchedRelease>& fetched) {
  std::string text;
  for (const auto& one : fetched) {
    text += (fs::path(one.directory) / one.file).string() + "  (proved by the ledger)\n";
  }
  return text;
}

void add_release_commands(const Menu& menu) {
  auto options = std::make_shared<Options>();
  auto* command = add(menu.root, "fetch", "Brings what was released of a run, decrypted here",
                      "coffer fetch @last/weights -o weights");
  command->add_option("RUN", options->name, "RUN or RUN/OUTPUT")->required();
  command->add_option("-o,--output", options->output, "A directory")->required();
  on(menu, command, [options](Session& session) { return fetch(session, *options); });

  auto* group = add_group(menu.root, "release", "Releases: what came out");
  on(menu, add(group, "ls", "Releases of your runs", "coffer release ls"),
     [](Session& session) { return list_releases(session); });
  command = add(group, "show", "One release", "coffer release show rel_abc");
  command->add_option("ID", options->name, "The release")->required();
  on(menu, command, [options](Session& session) { return show_release(session, options->name); });
  command = add(group, "fetch", "Brings one release", "coffer release fetch rel_abc -o metrics");
  command->add_option("ID", options->name, "The release")->required();
  command->add_option("-o,--output", options->output, "A directory")->required();
  on(menu, command, [options](Session& session) { return fetch_release(session, *options); });
}

}  // namespace coffer::cli
