// coffer user add, ls, rm, token.
#include "cli/command.h"

namespace coffer::cli {
namespace {

struct UserOptions {
  std::string name;
  std::vector<std::string> roles;
};

std::string render_token(const Json& answer) {
  return render_fields({{"user", printable(answer.text_or("name", ""))},
                        {"token", printable(answer.text_or("token", ""))}}) +
         "shown once; hand it over by a way you trust, then: coffer login URL --token -\n";
}

Result<int> add_user(Session& session, const UserOptions& options) {
  COFFER_TRY(Server * server, session.server());
  Json body = Json::object({{"name", options.name}, {"roles", split_list(options.roles)}});
  COFFER_TRY(const Json answer, server->post("/v1/users", body));
  session.print(answer, [&] { return render_token(answer); });
  return kExitDone;
}

Result<int> new_token(Session& session, const std::string& name) {
  COFFER_TRY(Server * server, session.server());
  COFFER_TRY(const Json answer,
             server->post(target({"v1", "users", name, "token"}), Json::object({})));
  session.print(answer, [&] { return render_token(answer); });
  return kExitDone;
}

Result<int> list_users(Session& session) {
  COFFER_TRY(Server * server, session.server());
  COFFER_TRY(const Json::Array users, server->list("/v1/users"));
  session.print(Json::object({{"items", users}}), [&] {
    std::vector<Cells> rows;
    for (const auto& user : users) {
      std::vector<std::string> roles;
      if (const auto* array = user["roles"].as_array()) {
        for (const auto& role : *array) {
          if (const auto* text = role.as_string()) roles.push_back(printable(*text));
        }
      }
      rows.push_back({printable(user.text_or("name", "")), join(roles, ","),
                      user.text_or("fingerprint", "no key yet"),
                      user.bool_or("removed", false) ? "removed" : ""});
    }
    return render_table({"USER", "ROLES", "KEY", ""}, rows);
  });
  return kExitDone;
}

// Signed by the operator's key; a user who never had keys is removed without a statement.
Result<int> remove_user(Session& session, const std::string& name) {
  COFFER_TRY(const Profile* profile, session.profile());
  COFFER_TRY(Server * server, session.server());
  COFFER_TRY(const Json user, server->get(target({"v1", "users", name})));
  Json envelope;
  if (user["sign_key"].is_string()) {
    COFFER_TRY(const KeyPair* keys, session.keys());
    COFFER_TRY(const SignPublic key, parse_key32(user.text_or("sign_key", "")));
    const grant::Removal removal{.user = name,
                                 .sign_key = key,
                                 .ledger_vkey = profile->keeper.ledger_vkey,
                                 .issued = session.now()};
    envelope = envelope_json(grant::sign(removal, keys->sign));
  }
  COFFER_TRY(const Json answer, server->post(target({"v1", "users", name, "removal"}),
                                             Json::object({{"envelope", envelope}})));
  session.print(answer, [&] { return name + " is removed for good\n"; });
  return kExitDone;
}

}  // namespace

void add_user_commands(const Menu& menu) {
  auto* group = add_group(menu.root, "user", "Users (for operators)");
  auto options = std::make_shared<UserOptions>();
  auto* command = add(group, "add", "Adds a user and prints the token once",
                      "coffer user add ada --role researcher");
  command->add_option("NAME", options->name, "[a-z0-9][a-z0-9._-]{0,62}")->required();
  command
      ->add_option("--role", options->roles,
                   "owner researcher reviewer auditor operator, joined by commas")
      ->required();
  on(menu, command, [options](Session& session) { return add_user(session, *options); });
  on(menu, add(group, "ls", "All users with the fingerprints of their keys", "coffer user ls"),
     [](Session& session) { return list_users(session); });
  command = add(group, "rm", "Removes a user for good (signed)", "coffer user rm mal");
  command->add_option("NAME", options->name, "The user")->required();
  on(menu, command, [options](Session& session) { return remove_user(session, options->name); });
  command = add(group, "token", "A new token; older ones end", "coffer user token ada");
  command->add_option("NAME", options->name, "The user")->required();
  on(menu, command, [options](Session& session) { return new_token(session, options->name); });
}

}  // namespace coffer::cli
