#include "vault/add.h"

#include <gtest/gtest.h>

#include "vault/detail/scratch_test.h"
#include "vault/journal.h"
#include "vault/reader.h"

namespace coffer::vault {
namespace {

AddPlan plan_of(const Scratch& scratch, const std::string& name, Mode mode = Mode::Replace) {
  return {.paths = {scratch / name}, .mode = mode};
}

std::map<std::string, std::string> read_version(Versions& dataset, std::size_t version) {
  auto& one = dataset.versions[version];
  auto reader =
      Reader::open({UniqueFd{::dup(one.list.get())}, one.added.summary.list, one.added.version_key},
                   dataset.chunks);
  std::map<std::string, std::string> out;
  for (auto file = reader->next(); file && *file; file = reader->next()) {
    std::string content;
    EXPECT_TRUE(reader->read(**file, [&](ByteView bytes) -> Result<> {
      content += text_of(bytes);
      return {};
    }));
    out[(*file)->path] = content;
  }
  return out;
}

TEST(VaultAdd, EveryFileComesBackUnderItsBasename) {
  Versions dataset;
  const std::string large = noise(3U << 20, 1);
  dataset.scratch.write("export/large.bin", large);
  dataset.scratch.write("export/sub/a.csv", "x\n1\n");
  dataset.scratch.write("export/empty", "");
  dataset.scratch.write("export-notes.txt", "hello");
  ASSERT_TRUE(dataset.add_version(
      {.paths = {dataset.scratch / "export/", dataset.scratch / "export-notes.txt"}}));
  EXPECT_EQ(read_version(dataset, 0),
            (std::map<std::string, std::string>{{"export/large.bin", large},
                                                {"export/sub/a.csv", "x\n1\n"},
                                                {"export/empty", ""},
                                                {"export-notes.txt", "hello"}}));
  const Added& added = dataset.versions[0].added;
  EXPECT_EQ(added.diff.text(), "+4 files, -0, 0 unchanged");
  EXPECT_EQ(added.summary.bytes, large.size() + 9);
}

TEST(VaultAdd, NothingSentHoldsAPlaintextByteSequence) {
  Versions dataset;
  const std::string secret = "Ada Lovelace,1815-12-10,diagnosis";
  dataset.scratch.write("t/" + std::string("rows.csv"), secret);
  ASSERT_TRUE(dataset.add_version(plan_of(dataset.scratch, "t")));
  const auto holds = [](std::string_view bytes, std::string_view what) {
    return bytes.find(what) != std::string_view::npos;
  };
  EXPECT_FALSE(holds(dataset.scratch.read("list0"), "rows.csv"));
  EXPECT_FALSE(holds(dataset.scratch.read("list0"), text_of(dataset.dataset_key.expose())));
  for (const auto& [name, bytes] : dataset.chunks.by_name) {
    EXPECT_FALSE(holds(text_of(bytes), secret.substr(0, 8)));
  }
}

TEST(VaultAdd, ANewVersionSendsOnlyWhatIsNew) {
  Versions dataset;
  const std::string large = noise(8U << 20, 2);
  dataset.scratch.write("d/large", large);
  dataset.scratch.write("d/same", "same");
  dataset.scratch.write("d/gone", "gone");
  ASSERT_TRUE(dataset.add_version(plan_of(dataset.scratch, "d")));
  std::string changed = large;
  changed.insert(4U << 20, "inserted");
  dataset.scratch.write("d/large", changed);
  dataset.scratch.write("d/new", "new");
  std::filesystem::remove(dataset.scratch / "d/gone");
  ASSERT_TRUE(dataset.add_version(plan_of(dataset.scratch, "d")));
  const Added& added = dataset.versions[1].added;
  EXPECT_EQ(added.diff.text(), "+1 files, -1, 1 unchanged, 1 changed");
  EXPECT_LE(added.new_chunks, 4U);  // at most three of the large file, one of the new one
  EXPECT_GE(added.new_chunks, 2U);
  EXPECT_EQ(read_version(dataset, 1),
            (std::map<std::string, std::string>{
                {"d/large", changed}, {"d/same", "same"}, {"d/new", "new"}}));
  EXPECT_EQ(read_version(dataset, 0)["d/large"], large);
}

TEST(VaultAdd, UnchangedContentHasTheSameContentDigestButANewKey) {
  Versions dataset;
  dataset.scratch.write("d/a", "one");
  ASSERT_TRUE(dataset.add_version(plan_of(dataset.scratch, "d")));
  ASSERT_TRUE(dataset.add_version(plan_of(dataset.scratch, "d")));
  const Added& first = dataset.versions[0].added;
  const Added& second = dataset.versions[1].added;
  EXPECT_EQ(first.summary.content, second.summary.content);
  EXPECT_EQ(second.new_chunks, 0U);
  EXPECT_FALSE(first.version_key == second.version_key);
  Versions other;
  other.dataset_key = key_of(8);
  other.scratch.write("d/a", "one");
  ASSERT_TRUE(other.add_version(plan_of(other.scratch, "d")));
  EXPECT_NE(other.versions[0].added.summary.content, first.summary.content);
}

TEST(VaultAdd, AppendKeepsTheParentsFilesAndReplaceDoesNot) {
  Versions dataset;
  dataset.scratch.write("a.csv", "1");
  dataset.scratch.write("b.csv", "2");
  ASSERT_TRUE(dataset.add_version(plan_of(dataset.scratch, "a.csv")));
  ASSERT_TRUE(dataset.add_version(plan_of(dataset.scratch, "b.csv", Mode::Append)));
  EXPECT_EQ(read_version(dataset, 1),
            (std::map<std::string, std::string>{{"a.csv", "1"}, {"b.csv", "2"}}));
  EXPECT_EQ(dataset.versions[1].added.diff.text(), "+1 files, -0, 1 unchanged");
  ASSERT_TRUE(dataset.add_version(plan_of(dataset.scratch, "b.csv")));
  EXPECT_EQ(read_version(dataset, 2), (std::map<std::string, std::string>{{"b.csv", "2"}}));
  EXPECT_EQ(dataset.versions[2].added.diff.removed, 1U);
}

TEST(VaultAdd, PreviewSaysWhatWouldGoBeforeAnythingIsRead) {
  Versions dataset;
  dataset.scratch.write("d/a", "1");
  dataset.scratch.write("d/b", "2");
  ASSERT_TRUE(dataset.add_version(plan_of(dataset.scratch, "d")));
  std::filesystem::remove(dataset.scratch / "d/a");
  dataset.scratch.write("d/c", "3");
  auto& one = dataset.versions[0];
  const ParentVersion parent{one.list.get(), one.added.version_key};
  EXPECT_EQ(preview(plan_of(dataset.scratch, "d"), parent)->text(), "+1 files, -1, 1 unchanged");
  EXPECT_EQ(preview(plan_of(dataset.scratch, "d", Mode::Append), parent)->removed, 0U);
  EXPECT_EQ(preview(plan_of(dataset.scratch, "d"), std::nullopt)->added, 2U);
}

TEST(VaultAdd, RefusesLinksAndSpecialFilesByName) {
  Versions dataset;
  dataset.scratch.write("d/a", "1");
  const auto refused = [&](const std::string& name) {
    const auto added = dataset.add_version(plan_of(dataset.scratch, "d"));
    const bool named = !added && added.error().message.find(name) != std::string::npos;
    std::filesystem::remove(dataset.scratch / ("d/" + name));
    return named;
  };
  std::filesystem::create_symlink("a", dataset.scratch / "d/link");
  EXPECT_TRUE(refused("link"));
  std::filesystem::create_directory_symlink("..", dataset.scratch / "d/up");
  EXPECT_TRUE(refused("up"));
  ASSERT_EQ(::mkfifo((dataset.scratch / "d/pipe").c_str(), 0600), 0);
  EXPECT_TRUE(refused("pipe"));
  dataset.scratch.write("d/new\nline", "x");
  EXPECT_FALSE(dataset.add_version(plan_of(dataset.scratch, "d")));
  std::filesystem::remove(dataset.scratch / "d/new\nline");
  EXPECT_TRUE(dataset.add_version(plan_of(dataset.scratch, "d")));
}

TEST(VaultAdd, RefusesTwoPathsOfOneNameAndNoFiles) {
  Versions dataset;
  dataset.scratch.write("x/a", "1");
  dataset.scratch.write("y/a", "2");
  const Scratch& scratch = dataset.scratch;
  EXPECT_FALSE(dataset.add_version({.paths = {scratch / "x/a", scratch / "y/a"}}));
  EXPECT_FALSE(dataset.add_version({.paths = {scratch / "absent"}}));
  EXPECT_FALSE(dataset.add_version({.paths = {scratch.directory("empty")}}));
  EXPECT_TRUE(dataset.add_version({.paths = {scratch / "x", scratch / "y"}}));
}

TEST(VaultAdd, PublicDatasetsStayPublic) {
  Versions dataset;
  dataset.scratch.write("w/model", "weights");
  AddPlan plan = plan_of(dataset.scratch, "w");
  plan.visibility = Visibility::Public;
  ASSERT_TRUE(dataset.add_version(plan));
  EXPECT_FALSE(dataset.add_version(plan_of(dataset.scratch, "w")));  // protected now: refused
  EXPECT_TRUE(dataset.add_version(plan));
}

TEST(VaultAdd, AnInterruptedAddResumesWithWhatWasAcknowledged) {
  const Scratch scratch;
  scratch.write("d/large", noise(10U << 20, 6));
  const std::string vault = scratch.directory("vault");
  const std::string id = new_dataset_id();
  auto store = Store::create(vault, id);
  const SealKey owner = SealKey::generate();
  NoObserver observer;
  std::uint64_t sent = 0;
  const auto attempt = [&](Journal& journal, int packs_left) -> Result<Added> {
    PackWriter packs{[&](Pack pack) -> Result<> {
                       if (packs_left-- == 0) return Error{Code::Unavailable, "the line is down"};
                       scratch.write("pack", text_of(pack.bytes));
                       COFFER_CHECK(store->put_pack(scratch.file("pack").get()));
                       sent += pack.chunks.size();
                       return journal.acknowledge(pack.chunks);
                     },
                     std::size_t{1} << 20};
    std::filesystem::remove(scratch / "list");
    const UniqueFd list = scratch.file("list");
    COFFER_TRY(Added added, add(plan_of(scratch, "d"), {.dataset_key = journal.dataset_key(),
                                                        .parent = {},
                                                        .known = journal.known(),
                                                        .sink = packs,
                                                        .observer = observer,
                                                        .list_fd = list.get()}));
    COFFER_CHECK(packs.flush());
    return added;
  };
  {
    auto journal = Journal::create(scratch / "journal", {id, random_key()}, owner.public_key());
    ASSERT_TRUE(journal);
    ASSERT_FALSE(attempt(*journal, 3));
  }
  const std::uint64_t acknowledged = sent;
  ASSERT_GE(acknowledged, 3U);
  auto journal = Journal::open(scratch / "journal", owner);
  ASSERT_TRUE(journal);
  EXPECT_EQ(journal->dataset_id(), id);
  EXPECT_EQ(journal->known().size(), acknowledged);
  const auto added = attempt(*journal, 1000);
  ASSERT_TRUE(added);
  EXPECT_EQ(added->new_chunks, sent - acknowledged);  // nothing acknowledged was made again
  ASSERT_TRUE(store->put_list(scratch.file("list").get(), added->summary.list));
  auto list = store->open_list(added->summary.list);
  auto reader = Reader::open({std::move(*list), added->summary.list, added->version_key}, *store);
  const UniqueFd out{::open(scratch.directory("out").c_str(), O_RDONLY | O_DIRECTORY)};
  const auto staged = stage(std::move(*reader), out.get());
  ASSERT_TRUE(staged);
  EXPECT_EQ(scratch.read("out/d/large"), noise(10U << 20, 6));
}

}  // namespace
}  // namespace coffer::vault
