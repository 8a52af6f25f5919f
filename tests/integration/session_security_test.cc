// No statement of a client makes the shadow's connections act as another role, or on the server.
//
// Each attack (session_attacks.txt) runs through a proxy on a primary where it is allowed (as
// superuser), then canaries are written: on the shadow a trigger records who wrote them.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <memory>

#include "tests/integration/environment.h"
#include "tests/support/libpq_client.h"

namespace pgparity::support {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

const std::vector<std::string> common_schema = {
    "CREATE TABLE canary (id int, note text)",
    "CREATE TABLE op_log (who text)",
    "CREATE TABLE trap (command text)",
    "CREATE TABLE files (line text)",
    "CREATE FUNCTION run_sql(text) RETURNS void LANGUAGE plpgsql AS $$BEGIN EXECUTE $1; END$$",
    "CREATE FUNCTION run_definer(text) RETURNS void LANGUAGE plpgsql SECURITY DEFINER AS "
    "$$BEGIN EXECUTE $1; END$$",
    "CREATE FUNCTION quiet(text) RETURNS text LANGUAGE plpgsql STABLE AS "
    "$$BEGIN RETURN set_config('ro' || 'le', $1, false); END$$",
    "CREATE FUNCTION spring() RETURNS trigger LANGUAGE plpgsql AS "
    "$$BEGIN EXECUTE NEW.command; RETURN NEW; END$$",
    "CREATE TRIGGER spring BEFORE INSERT ON trap FOR EACH ROW EXECUTE FUNCTION spring()",
    "CREATE FUNCTION as_evil() RETURNS void LANGUAGE plpgsql SET role = 'evil' AS "
    "$$BEGIN INSERT INTO canary VALUES (-1); END$$",
    "CREATE FUNCTION plain() RETURNS int LANGUAGE sql AS 'SELECT 1'",
    "CREATE TYPE holder AS (command text)",
    "CREATE FUNCTION sprung(holder) RETURNS text LANGUAGE plpgsql AS "
    "$$BEGIN EXECUTE $1.command; RETURN ''; END$$",
    "GRANT ALL ON SCHEMA public TO PUBLIC",
    "GRANT ALL ON ALL TABLES IN SCHEMA public TO PUBLIC"};

// What of the server a client must not change there. One line each.
constexpr char server_state[] =
    "SELECT string_agg(line, E'\\n' ORDER BY line) FROM ("
    " SELECT 'role ' || r::text FROM pg_authid r"
    " UNION ALL SELECT 'member ' || m.roleid::regrole || ' ' || m.member::regrole"
    "  FROM pg_auth_members m"
    " UNION ALL SELECT 'setting ' || s::text FROM pg_db_role_setting s"
    " UNION ALL SELECT 'database ' || datname FROM pg_database"
    " UNION ALL SELECT 'tablespace ' || spcname FROM pg_tablespace"
    " UNION ALL SELECT 'subscription ' || subname FROM pg_subscription"
    " UNION ALL SELECT 'server ' || srvname FROM pg_foreign_server"
    " UNION ALL SELECT 'slot ' || slot_name FROM pg_replication_slots"
    " UNION ALL SELECT 'extension ' || extname FROM pg_extension"
    " UNION ALL SELECT 'language ' || lanname FROM pg_language"
    " UNION ALL SELECT 'large object ' || oid FROM pg_largeobject_metadata"
    " UNION ALL SELECT 'c function ' || p.proname FROM pg_proc p JOIN pg_language l"
    "  ON l.oid = p.prolang WHERE p.oid >= 16384 AND l.lanname IN ('c', 'internal')"
    " UNION ALL SELECT 'file ' || pg_read_file('postgresql.auto.conf')"
    " UNION ALL SELECT 'trigger ' || tgname FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid"
    "  JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = 'pgparity'"
    ") AS state(line)";

struct Mode {
  std::string name;       // of its database on both sides
  std::string user;       // in the shadow's URL
  std::string map;        // of --shadow-role-map; URL stands for that of the restricted role
  std::string canary_by;  // current_user/session_user that canaries must show
};

const std::vector<Mode> modes = {{"superuser", "postgres", "", "postgres/postgres"},
                                 {"mapped", "postgres", "* = restricted\n", "restricted/postgres"},
                                 {"own_url", "postgres", "* = \"URL\"\n", "restricted/restricted"},
                                 {"confined", "restricted", "", "restricted/restricted"},
                                 {"member", "member", "", "member/member"}};

// Two servers of its own, since attacks change what belongs to the whole server.
class Arena {
 public:
  Arena() {
    for (PostgresCluster* cluster : {&primary_, &shadow_}) {
      LibpqClient client(cluster->Url("postgres"));
      EXPECT_TRUE(client
                      .Script({"CREATE ROLE evil SUPERUSER LOGIN", "CREATE ROLE other LOGIN",
                               "CREATE ROLE restricted LOGIN", "CREATE ROLE member LOGIN",
                               "GRANT other TO member"})
                      .ok);
    }
    for (const Mode& mode : modes) {
      for (PostgresCluster* cluster : {&primary_, &shadow_}) {
        cluster->CreateDatabase(mode.name);
        LibpqClient client(cluster->Url(mode.name));
        const QueryResult seeded = client.Script(common_schema);
        EXPECT_TRUE(seeded.ok) << seeded.message;
      }
      SeedShadow(mode);
      proxies_.push_back(std::make_unique<ProxyProcess>(Options(mode)));
      EXPECT_TRUE(proxies_.back()->started()) << proxies_.back()->Log();
    }
  }

  ProxyProcess& proxy(size_t mode) { return *proxies_[mode]; }
  PostgresCluster& primary() { return primary_; }
  PostgresCluster& shadow() { return shadow_; }
  std::string File(const std::string& name) const { return files_.Path(name); }
  const TempDir& files() const { return files_; }

 private:
  void SeedShadow(const Mode& mode) {
    LibpqClient client(shadow_.Url(mode.name));
    const QueryResult seeded = client.Script(
        {"CREATE TABLE canary_log (who text)", "GRANT ALL ON canary_log TO PUBLIC",
         "CREATE FUNCTION log_canary() RETURNS trigger LANGUAGE plpgsql AS "
         "$$BEGIN INSERT INTO public.canary_log VALUES (current_user || '/' || session_user); "
         "RETURN NEW; END$$",
         "CREATE TRIGGER log_canary BEFORE INSERT ON canary FOR EACH ROW "
         "EXECUTE FUNCTION log_canary()",
         "GRANT CREATE ON DATABASE " + mode.name + " TO restricted, member"});
    EXPECT_TRUE(seeded.ok) << seeded.message;
  }

  ProxyOptions Options(const Mode& mode) {
    ProxyOptions options;
    options.primary_url = primary_.Url(mode.name);
    options.shadow_url = shadow_.Url(mode.name, mode.user);
    options.arguments = {"--start-check", "off", "--shadow-connections", "4"};
    if (mode.map.empty()) return options;
    std::string map = mode.map;
    if (const size_t at = map.find("URL"); at != std::string::npos)
      map.replace(at, 3, shadow_.Url(mode.name, "restricted"));
    std::ofstream(files_.Path(mode.name)) << map;
    options.arguments.insert(options.arguments.end(),
                             {"--shadow-role-map", files_.Path(mode.name)});
    return options;
  }

  // wal_level for slots and subscriptions.
  PostgresCluster primary_{{.name = "attacked", .settings = {{"wal_level", "logical"}}}};
  PostgresCluster shadow_{{.name = "defended", .settings = {{"wal_level", "logical"}}}};
  TempDir files_;
  std::vector<std::unique_ptr<ProxyProcess>> proxies_;
};

std::unique_ptr<Arena> arena;

struct Attack {
  std::string name;
  std::vector<std::string> statements;  // errors and all
  std::vector<Cell> parameters;         // of the last statement, by the extended protocol
};

void PrintTo(const Attack& attack, std::ostream* out) { *out << attack.name; }

std::string Replace(std::string text, const std::string& what, const std::string& by) {
  for (size_t at = text.find(what); at != std::string::npos; at = text.find(what, at + by.size()))
    text.replace(at, what.size(), by);
  return text;
}

class SessionSecurity : public ::testing::TestWithParam<Attack> {
 protected:
  static void SetUpTestSuite() { arena = std::make_unique<Arena>(); }
  static void TearDownTestSuite() { arena.reset(); }

  // What an attack did to the primary, so that it works there for the next mode again.
  void CleanPrimary(const std::string& database) {
    LibpqClient client(arena->primary().Url(database));
    for (const char* sql :
         {"ALTER SYSTEM RESET ALL", "ALTER ROLE postgres RESET ALL", "ALTER ROLE evil RESET ALL",
          "REVOKE evil FROM other", "DROP SUBSCRIPTION IF EXISTS fresh_sub",
          "DROP SERVER IF EXISTS fresh_server CASCADE", "DROP DATABASE IF EXISTS fresh_db",
          "SELECT pg_drop_replication_slot('fresh_slot')", "DROP OWNED BY fresh",
          "DROP ROLE IF EXISTS fresh"}) {
      client.Query(sql);
    }
    client.Query("ALTER DATABASE " + database + " RESET ALL");
    // Built-in functions are as they were.
    client.Query(
        "CREATE OR REPLACE FUNCTION pg_catalog.int8eq(int8, int8) RETURNS bool LANGUAGE "
        "internal IMMUTABLE STRICT LEAKPROOF PARALLEL SAFE AS 'int8eq'");
  }

  void RunAttack(const Attack& attack, size_t mode) {
    LibpqClient client(arena->proxy(mode).Url(modes[mode].name));
    ASSERT_TRUE(client.ok()) << client.error();
    for (size_t i = 0; i < attack.statements.size(); ++i) {
      std::string sql = Replace(attack.statements[i], "FILE", arena->File("x_" + attack.name));
      sql = Replace(sql, "PORT", "current_setting('port')");
      const bool last = i + 1 == attack.statements.size();
      if (last && !attack.parameters.empty()) {
        client.Query(sql, attack.parameters);
      } else {
        client.Query(sql);
      }
    }
    client.Query("ROLLBACK");
    client.Query("INSERT INTO public.canary VALUES (1)");
    client.Query("SELECT count(*) FROM public.canary");
    LibpqClient other(arena->proxy(mode).Url(modes[mode].name));
    EXPECT_TRUE(other.Query("INSERT INTO public.canary VALUES (2)").ok);
  }

  // The connections act as they should, and nothing of the server is changed.
  void Look(const Attack& attack, size_t mode, const std::string& state_before,
            LibpqClient* victim) {
    LibpqClient direct(arena->shadow().Url(modes[mode].name));
    const QueryResult who = direct.Query(
        "SELECT string_agg(DISTINCT who, ', '), count(*) FROM (SELECT who FROM canary_log UNION "
        "ALL "
        "SELECT who || '/' || '" +
        modes[mode].canary_by.substr(modes[mode].canary_by.find('/') + 1) + "' FROM op_log) x");
    ASSERT_TRUE(who.ok) << who.message;
    EXPECT_EQ(who.Scalar(), modes[mode].canary_by);
    EXPECT_GE(std::stoi(who.rows[0][1].value_or("0")), 1) << "no canary came through";
    direct.Query("TRUNCATE canary_log, op_log");
    EXPECT_EQ(direct.Query(server_state).Scalar(), state_before);
    EXPECT_TRUE(victim->Query("SELECT 1").ok) << "a backend of the shadow was ended";
    std::ifstream file(arena->File("x_" + attack.name));
    const std::string text((std::istreambuf_iterator<char>(file)),
                           std::istreambuf_iterator<char>());
    EXPECT_THAT(text, Not(HasSubstr(std::to_string(arena->shadow().port()))));
    EXPECT_EQ(arena->proxy(mode).StatusText("state"), "shadowing") << arena->proxy(mode).Log();
  }
};

TEST_P(SessionSecurity, Holds) {
  LibpqClient victim(arena->shadow().Url("postgres") + "?application_name=victim");
  std::vector<std::string> before;
  for (size_t mode = 0; mode < modes.size(); ++mode) {
    LibpqClient direct(arena->shadow().Url(modes[mode].name));
    before.push_back(direct.Query(server_state).Scalar());
    ASSERT_NE(before.back(), "");
    RunAttack(GetParam(), mode);
    CleanPrimary(modes[mode].name);
  }
  // They work side by side meanwhile.
  for (size_t mode = 0; mode < modes.size(); ++mode) {
    SCOPED_TRACE(modes[mode].name);
    ASSERT_TRUE(arena->proxy(mode).Drain("60s")) << arena->proxy(mode).Log();
    Look(GetParam(), mode, before[mode], &victim);
    ASSERT_TRUE(arena->proxy(mode).Running());
  }
}

std::string Name(const ::testing::TestParamInfo<Attack>& info) { return info.param.name; }

std::vector<Attack> LoadAttacks() {
  const std::string kill =
      "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'victim'";
  std::ifstream file(std::string(PGPARITY_SOURCE_DIR) + "/tests/integration/session_attacks.txt");
  std::vector<Attack> attacks;
  for (std::string line; std::getline(file, line);) {
    if (line.empty() || line.starts_with("#")) continue;
    if (line.starts_with("== ")) {
      attacks.push_back({line.substr(3), {}, {}});
      continue;
    }
    line = Replace(line, "<newline>", "\n");
    line = Replace(line, "<sjis>", "\x95\x5c");
    line = Replace(line, "KILLQUOTED", Replace(kill, "'", "''"));
    line = Replace(line, "KILL", kill);
    Attack& attack = attacks.back();
    if (line.starts_with("$ ")) {
      attack.parameters.emplace_back(line.substr(2));
    } else {
      attack.statements.push_back(line);
    }
  }
  return attacks;
}

INSTANTIATE_TEST_SUITE_P(Attack, SessionSecurity, ::testing::ValuesIn(LoadAttacks()), Name);

}  // namespace
}  // namespace pgparity::support
