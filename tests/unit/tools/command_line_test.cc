// The command line as a whole, with the world around it faked.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <map>

#include "compare/parity_log.h"
#include "proxy/admin_server.h"
#include "proxy/data_dir.h"
#include "tests/support/temp_dir.h"
#include "tools/commands.h"
#include "tools/layers.h"

namespace pgparity::tools {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

class CommandLine : public testing::Test {
 protected:
  // Runs `pgparity ARGUMENTS`; what it prints is in out_ and err_.
  int Run(const std::vector<std::string>& arguments) {
    char *out = nullptr, *err = nullptr;
    size_t out_size = 0, err_size = 0;
    World world;
    world.out = open_memstream(&out, &out_size);
    world.err = open_memstream(&err, &err_size);
    world.environment = [this](const std::string& name) -> std::optional<std::string> {
      const auto found = environment_.find(name);
      return found == environment_.end() ? std::nullopt : std::optional(found->second);
    };
    served_.reset();
    world.serve = [this](const proxy::ServeOptions& options) {
      served_ = options;
      return 0;
    };
    const int exit_code = RunCommandLine(arguments, world);
    fclose(world.out);
    fclose(world.err);
    out_.assign(out, out_size);
    err_.assign(err, err_size);
    free(out);
    free(err);
    return exit_code;
  }
  int Serve(std::vector<std::string> more = {}) {
    std::vector<std::string> arguments = {
        "serve",      "--listen", "127.0.0.1:6432", "--primary", "postgres://u:secret@h/d",
        "--data-dir", "/data"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return Run(arguments);
  }
  // One line on stderr, nothing on stdout.
  void ExpectOneLine() {
    EXPECT_EQ(out_, "");
    EXPECT_EQ(std::count(err_.begin(), err_.end(), '\n'), 1) << err_;
    EXPECT_THAT(err_, Not(HasSubstr("secret")));
  }
  std::string WriteConfig(const std::string& content) {
    const std::string path = dir_.Path("pgparity.toml");
    support::WriteFile(path, content);
    return path;
  }

  support::TempDir dir_;
  std::map<std::string, std::string> environment_;
  std::optional<proxy::ServeOptions> served_;
  std::string out_, err_;
};

TEST_F(CommandLine, ServeTakesItsOptions) {
  ASSERT_EQ(Run({"serve",
                 "--listen=:1",
                 "--listen",
                 "[::1]:2",
                 "--primary",
                 "postgres://h/d",
                 "--shadow",
                 "postgres://h/e",
                 "--data-dir",
                 "/data",
                 "--admin",
                 "off",
                 "--admin-token",
                 "t",
                 "--threads",
                 "3",
                 "--ordering",
                 "passive",
                 "--reads",
                 "sample=0.1",
                 "--ddl",
                 "reconcile",
                 "--shadow-connections",
                 "5",
                 "--max-sessions",
                 "7",
                 "--max-frame",
                 "1MiB",
                 "--login-timeout",
                 "5s",
                 "--connect-timeout",
                 "6s",
                 "--drain-timeout",
                 "7s",
                 "--ring-dir",
                 "/r",
                 "--ring-size",
                 "2MiB",
                 "--capture-rows",
                 "3KiB",
                 "--capture-frame",
                 "4MiB",
                 "--window",
                 "8",
                 "--journal-segment",
                 "5MiB",
                 "--journal-keep",
                 "6GiB",
                 "--time-tolerance",
                 "9ms",
                 "--start-check",
                 "off",
                 "--start-check-timeout",
                 "1h",
                 "--log-level",
                 "debug"}),
            0)
      << err_;
  ASSERT_TRUE(served_.has_value());
  EXPECT_THAT(served_->listen, ElementsAre(":1", "[::1]:2"));
  EXPECT_EQ(served_->primary, "postgres://h/d");
  EXPECT_EQ(served_->shadow, "postgres://h/e");
  EXPECT_EQ(served_->data_dir, "/data");
  EXPECT_EQ(served_->admin, "");
  EXPECT_EQ(served_->admin_token, "t");
  EXPECT_EQ(served_->threads, 3);
  EXPECT_EQ(served_->read_sample, 0.1);
  EXPECT_EQ(served_->ddl, shadow::DdlMode::reconcile);
  EXPECT_EQ(served_->shadow_connections, 5);
  EXPECT_EQ(served_->max_sessions, 7u);
  EXPECT_EQ(served_->max_frame, 1u << 20);
  EXPECT_EQ(served_->login_timeout, absl::Seconds(5));
  EXPECT_EQ(served_->connect_timeout, absl::Seconds(6));
  EXPECT_EQ(served_->drain_timeout, absl::Seconds(7));
  EXPECT_EQ(served_->ring_dir, "/r");
  EXPECT_EQ(served_->ring_size, 2u << 20);
  EXPECT_EQ(served_->capture_rows, 3u << 10);
  EXPECT_EQ(served_->capture_frame, 4u << 20);
  EXPECT_EQ(served_->window, 8u);
  EXPECT_EQ(served_->journal_segment, 5u << 20);
  EXPECT_EQ(served_->journal_keep, 6ull << 30);
  EXPECT_EQ(served_->time_tolerance, absl::Milliseconds(9));
  EXPECT_FALSE(served_->start_check);
  EXPECT_EQ(served_->start_check_timeout, absl::Hours(1));
  EXPECT_EQ(served_->log_level, "debug");
}

TEST_F(CommandLine, ServeHasDefaults) {
  ASSERT_EQ(Serve(), 0) << err_;
  EXPECT_EQ(served_->shadow, "");
  EXPECT_EQ(served_->admin, "127.0.0.1:6433");
  EXPECT_EQ(served_->ring_size, 64u << 20);
  EXPECT_EQ(served_->ring_dir, "/dev/shm");
  EXPECT_EQ(served_->read_sample, 1);
  EXPECT_TRUE(served_->start_check);
  EXPECT_GE(served_->threads, 1);
}

TEST_F(CommandLine, FileThenEnvironmentThenFlag) {
  const std::string path = WriteConfig("window = 11\nring-size = \"11MiB\"\nmax_sessions = 11\n");
  environment_ = {{"PGPARITY_WINDOW", "22"}, {"PGPARITY_RING_SIZE", "22MiB"}};
  ASSERT_EQ(Serve({"--config", path, "--window", "33"}), 0) << err_;
  EXPECT_EQ(served_->window, 33u);           // all three
  EXPECT_EQ(served_->ring_size, 22u << 20);  // file and environment
  EXPECT_EQ(served_->max_sessions, 11u);     // file alone
  ASSERT_EQ(Serve({"--window=33"}), 0);
  EXPECT_EQ(served_->window, 33u);
  EXPECT_EQ(served_->ring_size, 22u << 20);  // environment alone
}

TEST_F(CommandLine, RequiredOptionsMayComeFromAnyLayer) {
  const std::string path = WriteConfig("[serve]\nlisten = [\":1\", \":2\"]\n");
  environment_ = {{"PGPARITY_CONFIG", path},
                  {"PGPARITY_PRIMARY", "postgres://u:secret@h/d"},
                  {"PGPARITY_DATA_DIR", "/data"}};
  ASSERT_EQ(Run({"serve"}), 0) << err_;
  EXPECT_THAT(served_->listen, ElementsAre(":1", ":2"));
  environment_["PGPARITY_LISTEN"] = ":3, :4";
  ASSERT_EQ(Run({"serve"}), 0) << err_;
  EXPECT_THAT(served_->listen, ElementsAre(":3", ":4"));
  ASSERT_EQ(Run({"serve", "--listen", ":5"}), 0) << err_;
  EXPECT_THAT(served_->listen, ElementsAre(":5"));
}

TEST_F(CommandLine, AnEmptyVariableIsNoValueAndDatabaseUrlIsNotRead) {
  environment_ = {
      {"PGPARITY_SHADOW", ""}, {"PGPARITY_WINDOW", ""}, {"DATABASE_URL", "postgres://x/y"}};
  ASSERT_EQ(Serve(), 0) << err_;
  EXPECT_EQ(served_->window, 64u);
  EXPECT_EQ(Run({"serve", "--listen", ":1", "--data-dir", "/d"}), 64);
  ExpectOneLine();
  EXPECT_THAT(err_, HasSubstr("--primary is required"));
}

TEST_F(CommandLine, TablesOfTheFile) {
  const std::string path = WriteConfig(
      "data-dir = \"/top\"\nwindow = 1\n[serve]\nwindow = 2\n[report]\nformat = "
      "\"json\"\n[ctl.drain]\n"
      "timeout = \"5s\"\n");
  ASSERT_EQ(Run({"serve", "--listen", ":1", "--primary", "postgres://h/d", "--config", path}), 0)
      << err_;
  EXPECT_EQ(served_->data_dir, "/top");
  EXPECT_EQ(served_->window, 2u);
  // The same file serves another command, which does not know window.
  EXPECT_EQ(Run({"verdict", "--config", path}), 64);
  EXPECT_THAT(err_, HasSubstr("/top"));
}

TEST_F(CommandLine, UnknownOptionsAndCommandsGetOneLineWithASuggestion) {
  const std::vector<std::pair<std::vector<std::string>, std::string>> cases = {
      {{"serve", "--windw", "3"}, "did you mean --window?"},
      {{"serve", "--ring=3"}, "did you mean --ring-"},
      {{"serve", "--data_dir", "x"}, "did you mean --data-dir?"},
      {{"serve", "--zzzzzzzzz"}, "there is no option --zzzzzzzzz"},
      {{"serve", "-x"}, "there is no option -x"},
      {{"sreve"}, "did you mean serve?"},
      {{"ctl", "stauts"}, "did you mean status?"},
      {{"ctl", "destroy"}, "there are status, ready, pause, resume, drain"},
      {{}, "command"},
      {{"ctl"}, "command"},
      {{"report"}, "--data-dir is required"},
  };
  for (const auto& [arguments, expected] : cases) {
    EXPECT_EQ(Run(arguments), 64) << expected;
    ExpectOneLine();
    EXPECT_THAT(err_, HasSubstr(expected));
  }
}

TEST_F(CommandLine, BadValuesNameTheOptionAndWhereTheyCameFrom) {
  EXPECT_EQ(Serve({"--ring-size", "64MB"}), 64);
  ExpectOneLine();
  EXPECT_THAT(err_, HasSubstr("--ring-size: \"64MB\" is no size"));
  environment_ = {{"PGPARITY_WINDOW", "many"}};
  EXPECT_EQ(Serve(), 64);
  ExpectOneLine();
  EXPECT_THAT(err_, HasSubstr("(given by environment variable PGPARITY_WINDOW)"));
  environment_.clear();
  const std::string path = WriteConfig("\nlogin-timeout = 60\n");
  EXPECT_EQ(Serve({"--config", path}), 64);
  ExpectOneLine();
  EXPECT_THAT(err_, HasSubstr(path + " line 2"));
  for (const auto& [option, value] :
       std::map<std::string, std::string>{{"--ordering", "x"},
                                          {"--reads", "most"},
                                          {"--ddl", "x"},
                                          {"--start-check", "perhaps"},
                                          {"--threads", "-1"},
                                          {"--threads", "0"},
                                          {"--window", "1x"},
                                          {"--log-level", "loud"},
                                          {"--admin", "x"},
                                          {"--listen", "x"},
                                          {"--shadow", "mysql://u:secret@h/d"},
                                          {"--max-frame", "3GiB"},
                                          {"--window", ""}}) {
    EXPECT_EQ(Serve({option, value}), 64) << option;
    ExpectOneLine();
    EXPECT_THAT(err_, HasSubstr(option));
  }
  EXPECT_EQ(Serve({"--window"}), 64);
  ExpectOneLine();
}

TEST_F(CommandLine, BadFilesGetOneLine) {
  EXPECT_EQ(Serve({"--config", dir_.Path("none.toml")}), 64);
  ExpectOneLine();
  EXPECT_EQ(Serve({"--config", WriteConfig("window = ")}), 64);
  ExpectOneLine();
  EXPECT_THAT(err_, HasSubstr("line 1"));
  EXPECT_EQ(Serve({"--config", WriteConfig("windw = 3")}), 64);
  ExpectOneLine();
  EXPECT_THAT(err_, HasSubstr("did you mean window?"));
  EXPECT_EQ(Serve({"--config", WriteConfig("[srve]\nwindow = 3")}), 64);
  ExpectOneLine();
  EXPECT_THAT(err_, HasSubstr("[srve]"));
}

TEST_F(CommandLine, PasswordsAreNotPrinted) {
  EXPECT_EQ(Run({"serve", "--listen", ":1", "--data-dir", "/d", "--primary",
                 "postgres://u:secret/x@h/d"}),
            64);
  ExpectOneLine();
  environment_ = {{"PGPARITY_PRIMARY", "u:secret@h"}};
  EXPECT_EQ(Run({"serve", "--listen", ":1", "--data-dir", "/d"}), 64);
  ExpectOneLine();
  EXPECT_EQ(Run({"serve", "--listen", ":1", "--data-dir", "/d", "--primary", "postgres://h/d",
                 "--shadow", "postgres://u:secret@h:x/d"}),
            64);
  ExpectOneLine();
}

TEST_F(CommandLine, HelpOnEveryLevel) {
  EXPECT_EQ(Run({"--help"}), 0);
  EXPECT_THAT(out_, HasSubstr("Usage: pgparity COMMAND [OPTIONS]"));
  for (const char* command : {"serve", "ctl", "report", "verdict", "journal"}) {
    EXPECT_THAT(out_, HasSubstr(std::string("\n  ") + command));
  }
  EXPECT_EQ(Run({"serve", "-h"}), 0);
  for (const char* piece : {"Usage: pgparity serve [OPTIONS]", "--listen ADDR", "--ring-size SIZE",
                            "(default 64MiB)", "(required)", "Where to listen and connect",
                            "Forwarding", "Shadowing", "Capture and journal", "PGPARITY_"}) {
    EXPECT_THAT(out_, HasSubstr(piece));
  }
  for (const auto& arguments : std::vector<std::vector<std::string>>{{"ctl", "--help"},
                                                                     {"ctl", "drain", "--help"},
                                                                     {"report", "--help"},
                                                                     {"verdict", "--help"},
                                                                     {"journal", "--help"}}) {
    EXPECT_EQ(Run(arguments), 0);
    EXPECT_THAT(out_, HasSubstr("Usage: pgparity " + arguments[0]));
    EXPECT_EQ(err_, "");
  }
  EXPECT_EQ(Run({"serve", "--help"}), 0);
  std::istringstream lines(out_);
  for (std::string line; std::getline(lines, line);) EXPECT_LE(line.size(), 101u) << line;
}

TEST_F(CommandLine, HelpNeedsNoValidEnvironment) {
  environment_ = {{"PGPARITY_WINDOW", "many"}, {"PGPARITY_CONFIG", "/none"}};
  EXPECT_EQ(Run({"serve", "--help"}), 0);
  EXPECT_EQ(Run({"--version"}), 0);
  EXPECT_THAT(out_, StartsWith("pgparity "));
}

TEST_F(CommandLine, ADataDirectoryThatIsMissingOrForeignGetsOneLine) {
  for (const char* command : {"report", "verdict"}) {
    EXPECT_EQ(Run({command, "--data-dir", dir_.Path("none")}), 64);
    ExpectOneLine();
    EXPECT_THAT(err_, HasSubstr(dir_.Path("none")));
    EXPECT_EQ(Run({command, "--data-dir", dir_.path()}), 64);
    ExpectOneLine();
  }
}

TEST_F(CommandLine, ReportAndVerdictOfALog) {
  const std::string data_dir = dir_.Path("data");
  {
    auto taken = proxy::DataDir::Take(data_dir);
    ASSERT_TRUE(taken.ok()) << taken.status();
    EXPECT_EQ(Run({"verdict", "--data-dir", data_dir}), 64);  // no log yet
    ExpectOneLine();
    auto log = compare::ParityLog::Open((*taken)->parity_log());
    ASSERT_TRUE(log.ok()) << log.status();
    compare::StatementRecord record;
    record.fingerprint = "aa";
    record.shape = "SELECT $1";
    (*log)->Record(record);
    (*log)->Add(compare::Counter::statements_seen, 1);
    ASSERT_TRUE((*log)->Flush().ok());
    EXPECT_EQ(Run({"verdict", "--data-dir", data_dir}), 2);
    EXPECT_THAT(out_, StartsWith("VERDICT: INCONCLUSIVE\n  1. soak-too-short"));
    EXPECT_EQ(Run({"verdict", "--data-dir", data_dir, "--min-soak", "0"}), 0);
    EXPECT_THAT(out_, StartsWith("VERDICT: PASS"));
    record.cls = compare::Class::divergent;
    record.comparison.kind = compare::Kind::rows;
    record.statement = "SELECT 'secret'";
    (*log)->Record(record);
    ASSERT_TRUE((*log)->Flush().ok());
  }
  EXPECT_EQ(Run({"verdict", "--data-dir", data_dir, "--min-soak", "0"}), 1);
  EXPECT_THAT(out_, StartsWith("VERDICT: FAIL"));
  EXPECT_EQ(Run({"report", "--data-dir", data_dir}), 0);
  EXPECT_THAT(out_, HasSubstr("VERDICT: FAIL"));
  EXPECT_THAT(out_, Not(HasSubstr("secret")));
  EXPECT_EQ(
      Run({"report", "--data-dir", data_dir, "--reveal", "--format", "json", "--since", "1h"}), 0);
  EXPECT_THAT(out_, StartsWith("{\"schema\":1,"));
  EXPECT_THAT(out_, HasSubstr("SELECT 'secret'"));
  environment_ = {{"PGPARITY_REVEAL", "true"}, {"PGPARITY_DATA_DIR", data_dir}};
  EXPECT_EQ(Run({"report"}), 0);
  EXPECT_THAT(out_, HasSubstr("SELECT 'secret'"));
}

TEST_F(CommandLine, ReportFormatsThatComeLaterSaySo) {
  EXPECT_EQ(Run({"report", "--data-dir", "/d", "--format", "html"}), 64);
  ExpectOneLine();
  EXPECT_THAT(err_, HasSubstr("comes later"));
  EXPECT_EQ(Run({"report", "--data-dir", "/d", "--since", "yesterday"}), 64);
  ExpectOneLine();
  EXPECT_EQ(Run({"verdict", "--data-dir", "/d", "--min-coverage", "95"}), 64);
  ExpectOneLine();
}

class Ctl : public CommandLine {
 protected:
  void Start(const std::string& token = "") {
    proxy::AdminHandlers handlers;
    handlers.status_json = [] { return R"({"state":"shadowing"})"; };
    handlers.set_paused = [this](bool paused) { paused_ = paused; };
    handlers.drain = [this](absl::Duration timeout) {
      drain_timeout_ = timeout;
      return drain_status_;
    };
    auto server = proxy::AdminServer::Start("127.0.0.1:0", token, std::move(handlers));
    ASSERT_TRUE(server.ok()) << server.status();
    server_ = *std::move(server);
    address_ = "127.0.0.1:" + std::to_string(server_->port());
  }
  std::optional<bool> paused_;
  absl::Duration drain_timeout_;
  absl::Status drain_status_;
  std::unique_ptr<proxy::AdminServer> server_;
  std::string address_;
};

TEST_F(Ctl, TalksToTheServer) {
  Start();
  EXPECT_EQ(Run({"ctl", "status", "--admin", address_}), 0) << err_;
  EXPECT_EQ(out_, "{\"state\":\"shadowing\"}\n");
  EXPECT_EQ(Run({"ctl", "--admin", "http://" + address_ + "/", "pause"}), 0) << err_;
  EXPECT_EQ(paused_, true);
  environment_ = {{"PGPARITY_ADMIN", address_}};
  EXPECT_EQ(Run({"ctl", "resume"}), 0) << err_;
  EXPECT_EQ(paused_, false);
  EXPECT_EQ(Run({"ctl", "drain"}), 0);
  EXPECT_EQ(drain_timeout_, absl::Seconds(30));
  EXPECT_EQ(Run({"ctl", "drain", "--timeout", "1.5s"}), 0);
  EXPECT_EQ(drain_timeout_, absl::Milliseconds(1500));
}

TEST_F(Ctl, DrainThatIsNotDoneInTimeIsTwo) {
  Start();
  drain_status_ = absl::DeadlineExceededError("12 units left");
  EXPECT_EQ(Run({"ctl", "drain", "--admin", address_, "--timeout", "1s"}), 2);
  ExpectOneLine();
  EXPECT_THAT(err_, HasSubstr("12 units left"));
  drain_status_ = absl::InternalError("broken");
  EXPECT_EQ(Run({"ctl", "drain", "--admin", address_}), 70);
  EXPECT_THAT(err_, HasSubstr("broken"));
}

TEST_F(Ctl, Tokens) {
  Start("the-token");
  EXPECT_EQ(Run({"ctl", "status", "--admin", address_}), 64);
  ExpectOneLine();
  EXPECT_THAT(err_, HasSubstr("token"));
  EXPECT_EQ(Run({"ctl", "status", "--admin", address_, "--token", "the-token"}), 0);
  environment_ = {{"PGPARITY_ADMIN_TOKEN", "the-token"}};
  EXPECT_EQ(Run({"ctl", "status", "--admin", address_}), 0);
  EXPECT_EQ(Run({"ctl", "status", "--admin", address_, "--token", "another"}), 64);
}

TEST_F(Ctl, NobodyThereIsOneClearLine) {
  Start();
  server_.reset();
  EXPECT_EQ(Run({"ctl", "status", "--admin", address_}), 70);
  ExpectOneLine();
  EXPECT_THAT(err_, HasSubstr("cannot reach " + address_));
  EXPECT_EQ(Run({"ctl", "status", "--admin", "nonsense"}), 64);
  ExpectOneLine();
}

TEST(Nearest, FindsTypingErrorsAndNothingElse) {
  EXPECT_EQ(Nearest("windw", {"window", "threads"}), "window");
  EXPECT_EQ(Nearest("wnidow", {"window", "threads"}), "window");
  EXPECT_EQ(Nearest("journal", {"journal-keep", "window"}), "journal-keep");
  EXPECT_EQ(Nearest("zzz", {"window", "threads"}), "");
  EXPECT_EQ(Nearest("", {"window"}), "");
}

TEST(EnvironmentName, OfAnOption) {
  EXPECT_EQ(EnvironmentName("--ring-size"), "PGPARITY_RING_SIZE");
}

}  // namespace
}  // namespace pgparity::tools
