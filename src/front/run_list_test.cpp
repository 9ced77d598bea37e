// Lists of runs beside a model that looks at every run: who sees which, in which order, in pages.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <set>

#include "front/runs.h"
#include "keeper/test_world.h"
#include "os/files.h"

namespace coffer::front {
namespace {

constexpr std::size_t kRuns = 60;
const std::vector<std::string> kPeople{"ada", "bob", "rex", "stew"};
const std::vector<std::string> kStates{"queued", "running", "done", "held"};

struct ModelRun {
  std::string digest;
  std::int64_t submitted{0};
  std::string user;
  std::string state;
  std::set<std::size_t> grants;
};
struct ModelGrant {
  std::string id;
  std::string owner;
  std::string approver;
};

class RunLists : public testing::TestWithParam<unsigned> {
 protected:
  void SetUp() override {
    for (std::size_t i = 0; i < 4; ++i) add_grant(i);
    for (std::size_t i = 0; i < kRuns; ++i) add_run();
  }
  std::size_t chance(std::size_t below) { return random_() % below; }
  void run(std::string_view sql, const std::vector<db::Value>& values) {
    const auto done = site_->db.run(sql, values);
    ASSERT_TRUE(done) << done.error().detail;
  }

  void add_grant(std::size_t i) {
    const ModelGrant grant{fmt::format("grant_{}", i), kPeople[chance(kPeople.size())],
                           kPeople[chance(kPeople.size())]};
    run("INSERT OR IGNORE INTO datasets(id, name, public, owner, owner_key, created)"
        " VALUES('ds', 'clinic/x', 0, 'stew', '', 0)",
        {});
    run("INSERT INTO grants(digest, id, dataset, envelope, owner, created) VALUES(?,?,'ds','',?,0)",
        {std::to_string(i), grant.id, grant.owner});
    run("INSERT INTO grant_users(grant_digest, user, role) VALUES(?,?,'approver')",
        {std::to_string(i), grant.approver});
    run("INSERT INTO grant_users(grant_digest, user, role) VALUES(?,'bob','grantee')",
        {std::to_string(i)});
    grants_.push_back(grant);
  }

  // Several of one instant, so that the digest has to order them too.
  void add_run() {
    const auto object = world_.run_object({sha256("grant")}, sha256("manifest"));
    const auto envelope = grant::sign(object, world_.person("ada").sign);
    ModelRun made{envelope.digest().text(),
                  static_cast<std::int64_t>(1000 * (chance(20) + 1)),
                  kPeople[chance(2)],
                  kStates[chance(kStates.size())],
                  {}};
    run("INSERT INTO runs(digest, id, user, envelope, name, state, submitted, deadline, quote,"
        " charged, ledger_first, ledger_last) VALUES(?,?,?,?,'n',?,?,0,'{}','{}',0,0)",
        {made.digest, grant::run_id(envelope.digest()), made.user, grant::render(envelope),
         made.state, made.submitted});
    for (std::size_t i = chance(3); i > 0; --i) made.grants.insert(chance(grants_.size()));
    for (const auto grant : made.grants) {
      run("INSERT INTO run_grants(run, grant_digest, submitted) VALUES(?,?,?)",
          {made.digest, std::to_string(grant), made.submitted});
    }
    runs_.push_back(std::move(made));
  }

  bool sees(const Caller& caller, const ModelRun& run) const {
    if (caller.is("auditor") || caller.is("operator") || run.user == caller.user) return true;
    return std::any_of(run.grants.begin(), run.grants.end(), [&](std::size_t i) {
      return grants_[i].owner == caller.user || grants_[i].approver == caller.user;
    });
  }
  std::vector<std::string> wanted(const Caller& caller, const RunFilter& filter) {
    std::vector<ModelRun> found;
    for (const auto& run : runs_) {
      const bool of_grant = std::any_of(run.grants.begin(), run.grants.end(), [&](std::size_t i) {
        return grants_[i].id == filter.grant;
      });
      if (sees(caller, run) && (filter.state.empty() || run.state == filter.state) &&
          (filter.grant.empty() || of_grant)) {
        found.push_back(run);
      }
    }
    std::sort(found.begin(), found.end(), [](const auto& a, const auto& b) {
      return std::tie(a.submitted, a.digest) > std::tie(b.submitted, b.digest);
    });
    std::vector<std::string> out;
    for (const auto& run : found) out.push_back(run.digest);
    return out;
  }
  std::vector<std::string> listed(const Caller& caller, const RunFilter& filter,
                                  std::size_t limit) {
    std::vector<std::string> out;
    Page page{limit, ""};
    for (std::size_t pages = 0; pages <= kRuns; ++pages) {
      const auto answer = list_runs(*site_, caller, filter, page);
      EXPECT_TRUE(answer) << (answer ? "" : answer.error().message + answer.error().detail);
      if (!answer) break;
      for (const auto& item : *(*answer)["items"].as_array()) {
        out.push_back(item.text_or("digest", ""));
      }
      if ((*answer)["next_cursor"].is_null()) break;
      page.cursor = answer->text_or("next_cursor", "");
    }
    return out;
  }

  TemporaryDirectory directory_ = TemporaryDirectory::make().value();
  SystemClock clock_;
  std::unique_ptr<Site> site_ = open_site(directory_.path(), clock_).value();
  keeper::test::World world_;
  std::mt19937 random_{GetParam()};
  std::vector<ModelGrant> grants_;
  std::vector<ModelRun> runs_;
};

TEST_P(RunLists, AreThoseOfTheModelInPagesOfAnySize) {
  std::vector<Caller> callers{{"eve", {"auditor"}}, {"root", {"operator"}}, {"nobody", {}}};
  for (const auto& name : kPeople) callers.push_back({name, {"researcher"}});
  for (const auto& caller : callers) {
    for (const std::string state : {"", "done", "held"}) {
      for (const std::string grant : {"", "grant_0", "grant_3", "grant_none"}) {
        const RunFilter filter{state, grant};
        const std::size_t limit = 1 + chance(9);
        EXPECT_EQ(listed(caller, filter, limit), wanted(caller, filter))
            << "seed " << GetParam() << ": " << caller.user << " state '" << state << "' grant '"
            << grant << "' in pages of " << limit;
      }
    }
  }
}

TEST_P(RunLists, ACursorOfAnotherListIsRefused) {
  const auto answer = list_runs(*site_, {"eve", {"auditor"}}, {}, {.limit = 5, .cursor = "clinic"});
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().field, "cursor");
}

INSTANTIATE_TEST_SUITE_P(Seeds, RunLists, testing::Range(1U, 9U));

}  // namespace
}  // namespace coffer::front
