#include "proxy/exchange_edit.h"

#include "tests/unit/proxy/edit_fixture.h"

namespace pgparity::proxy {
namespace {

using namespace message;  // NOLINT: the messages are what is read here

constexpr char kSeen[] = "token 4294967298 77 16";
const std::string kToken(TokenMessages());

TEST_F(EditTest, TheClientWaitsForTheProbeAndSeesNothingOfIt) {
  Take(edit_.LoggedIn(Query("SELECT 1"), 5));
  EXPECT_EQ(TakePrimary(), TokenProbeMessages());
  EXPECT_FALSE(edit_.takes_client());
  EXPECT_FALSE(edit_.Idle());
  Client(Query("SELECT 2"));
  EXPECT_EQ(TakePrimary(), "");
  Answer(Probed(), "");
  EXPECT_EQ(TakePrimary(), Query("SELECT 1") + Query("SELECT 2"));
  EXPECT_TRUE(edit_.takes_client());
  EXPECT_EQ(Recorded("client"), Query("SELECT 1") + Query("SELECT 2"));
  EXPECT_EQ(Recorded("server"), "");
}

TEST_F(EditTest, ARefusedProbeLeavesTheSessionAlone) {
  std::string told;
  context_.on_refusal = [&](std::string_view error) { told = error; };
  Take(edit_.LoggedIn("", 5));
  TakePrimary();
  Answer(CloseComplete() + ParseComplete() + BindComplete() +
             Error("55000", "recovery is in progress") + Ready(),
         "");
  EXPECT_EQ(told, "recovery is in progress");
  EXPECT_EQ(context_.counters.refused_sessions.value(), 1u);
  for (const std::string& write :
       {Query("INSERT INTO t VALUES (1)"), Do("INSERT INTO t VALUES (1)") + Sync()}) {
    Exchange(write, write);
    Answer(Ready(), Ready());
  }
  EXPECT_EQ(LeftOut(TokenLeftOut::refused), 2u);
  EXPECT_EQ(Sent(), 0u);
}

TEST_F(EditTest, AProbeThatWasCancelledIsMadeAgainWhenTheSessionIsIdle) {
  Take(edit_.LoggedIn("", 5));
  TakePrimary();
  Answer(CloseComplete() + Error("57014", "canceling statement due to user request") + Ready(), "");
  EXPECT_EQ(TakePrimary(), "");
  Exchange(Query("INSERT INTO t VALUES (1)"), Query("INSERT INTO t VALUES (1)"));
  EXPECT_EQ(LeftOut(TokenLeftOut::unprepared), 1u);
  Answer(Complete("INSERT 0 1") + Ready(), Complete("INSERT 0 1") + Ready());
  EXPECT_EQ(TakePrimary(), TokenProbeMessages());
  Answer(Probed(), "");
  Exchange(Do("DELETE FROM t") + Sync(), Do("DELETE FROM t") + kToken + Sync());
}

TEST_F(EditTest, IsTriedWhenItIsOfferedAndAnewWhenItIsOfferedAnew) {
  offer_.Set(false);
  Take(edit_.LoggedIn(Query("DELETE FROM t"), 5));
  EXPECT_EQ(TakePrimary(), Query("DELETE FROM t"));
  offer_.Set(true);
  Answer(Complete("DELETE 0") + Ready(), Complete("DELETE 0") + Ready());
  EXPECT_EQ(TakePrimary(), TokenProbeMessages());
  Answer(Error("55000", "recovery is in progress") + Ready(), "");
  Exchange(Query("DELETE FROM t"), Query("DELETE FROM t"));
  offer_.Set(false);
  offer_.Set(true);
  Answer(Complete("DELETE 0") + Ready(), Complete("DELETE 0") + Ready());
  EXPECT_EQ(TakePrimary(), TokenProbeMessages());
  Answer(Probed(), "");
  Exchange(Query("DELETE FROM t"), Query("DELETE FROM t\n;EXECUTE pgparity_token"));
}

TEST_F(EditTest, AFatalErrorReachesTheClientThroughAProbe) {
  Take(edit_.LoggedIn("", 5));
  const std::string fatal =
      Of('E', "SFATAL" + Text("") + "VFATAL" + Text("") + "C" + Text("57P01") + '\0');
  Answer(CloseComplete() + fatal, fatal);
}

// --- the extended protocol ---

TEST_F(EditTest, ASingleShotWriteGetsItsTokenBeforeTheSync) {
  Begin();
  const std::string write = Do("INSERT INTO t VALUES ($1)");
  Exchange(write + Sync(), write + kToken + Sync());
  Answer(Ran("INSERT 0 1") + TokenBound() + Ready(), Ran("INSERT 0 1") + Ready());
  EXPECT_EQ(Events(), std::string("client token-sent client server ") + kSeen + " server");
  EXPECT_EQ(Recorded("client"), write + Sync());
  EXPECT_EQ(Recorded("server"), Ran("INSERT 0 1") + Ready());
  EXPECT_EQ(Seen(), 1u);
  EXPECT_TRUE(edit_.Idle());
}

TEST_F(EditTest, TheSnapshotComesAlong) {
  Begin();
  Client(Do("INSERT INTO t VALUES ($1)") + Sync());
  Answer(
      Ran("INSERT 0 1") + BindComplete() + TokenRow("10:20:11,12") + Complete("SELECT 1") + Ready(),
      Ran("INSERT 0 1") + Ready());
  EXPECT_THAT(Events(), testing::HasSubstr("token 4294967298 77 1610:20:11,12 server"));
}

TEST_F(EditTest, PreparedStatementsAreKnownByTheirNames) {
  Begin();
  Client(Parse("w", "UPDATE t SET v = $1") + Parse("r", "SELECT v FROM t") + Sync());
  Answer(ParseComplete() + ParseComplete() + Ready(), ParseComplete() + ParseComplete() + Ready());
  TakePrimary();
  const std::string read = Bind("", "r") + Describe() + Execute() + Sync();
  Exchange(read, read);
  const std::string answer = BindComplete() + Of('T', "d") + Row() + Complete("SELECT 1") + Ready();
  Answer(answer, answer);
  const std::string write = Bind("p", "w") + Describe() + Execute("p");
  Exchange(write + Sync(), write + kToken + Sync());
  Answer(BindComplete() + Of('n') + Complete("UPDATE 1") + TokenBound() + Ready(),
         BindComplete() + Of('n') + Complete("UPDATE 1") + Ready());
  EXPECT_EQ(Sent(), 1u);
  // Both in one pipeline, the read last; and replies that were asked for early.
  const std::string both = write + Bind("", "r") + Execute();
  Exchange(both + Of('H'), both + Of('H'));
  const std::string early = BindComplete() + Of('n') + Complete("UPDATE 1") + BindComplete() +
                            Row() + Complete("SELECT 1");
  Answer(early, early);
  Exchange(Sync(), kToken + Sync());
  Answer(TokenBound() + Ready(), Ready());
  EXPECT_EQ(Seen(), 2u);
}

TEST_F(EditTest, AStatementThatWasNotSeenStopsTheTokenAndIsCounted) {
  Begin();
  const std::string unseen = Bind("", "prepared by SQL") + Execute() + Sync();
  Exchange(unseen, unseen);
  EXPECT_EQ(LeftOut(TokenLeftOut::unknown_statement), 1u);
  Answer(BindComplete() + Complete("INSERT 0 1") + Ready(),
         BindComplete() + Complete("INSERT 0 1") + Ready());
  // A Parse of a name that exists fails; what it would have made is not taken for it.
  Client(Parse("s", "BEGIN") + Sync());
  Server(ParseComplete() + Ready());
  Client(Parse("s", "INSERT INTO t VALUES (1)") + Sync());
  Server(Error("42P05", "exists") + Ready());
  TakePrimary();
  Exchange(Bind("", "s") + Execute() + Sync(), Bind("", "s") + Execute() + Sync());
  EXPECT_EQ(Sent(), 0u);
}

TEST_F(EditTest, ClosedAndDeallocatedStatementsAreForgotten) {
  Begin();
  Client(Parse("a", "DELETE FROM t") + Parse("b", "DELETE FROM t") + Sync());
  Server(ParseComplete() + ParseComplete() + Ready());
  Client(CloseStatement("a") + Sync());
  Server(CloseComplete() + Ready());
  TakePrimary();
  Exchange(Bind("", "a") + Execute() + Sync(), Bind("", "a") + Execute() + Sync());
  Server(Error("26000", "none") + Ready());
  Exchange(Bind("", "b") + Execute() + Sync(), Bind("", "b") + Execute() + kToken + Sync());
  Server(BindComplete() + Complete("DELETE 0") + TokenBound() + Ready());
  Client(Query("DEALLOCATE b"));
  Server(Complete("DEALLOCATE") + Ready());
  Server(Probed());
  TakePrimary();
  Exchange(Bind("", "b") + Execute() + Sync(), Bind("", "b") + Execute() + Sync());
  EXPECT_EQ(LeftOut(TokenLeftOut::unknown_statement), 2u);
}

TEST_F(EditTest, NoTokenBeforeTheSyncOfWhatIsNoSingleShotWrite) {
  Begin();
  // Reads and nothing at all.
  for (const char* sql : {"SELECT 1", "", "SHOW x", "VALUES (1)", "SET a = 1"}) {
    Exchange(Do(sql) + Sync(), Do(sql) + Sync());
    Server(Ran("SELECT 1") + Ready());
  }
  EXPECT_EQ(LeftOut(TokenLeftOut::other_statement), 0u);
  // COPY: the Sync that follows its data would be behind the token's messages in the copy's own.
  // CREATE INDEX CONCURRENTLY and the like commit on their own.
  for (const char* sql : {"COPY t FROM STDIN", "CREATE INDEX CONCURRENTLY i ON t (v)", "VACUUM",
                          "CALL p()", "DEALLOCATE ALL", "DISCARD ALL", "COMMIT PREPARED 'g'"}) {
    const std::string with = Do("INSERT INTO t VALUES (1)") + Do(sql) + Sync();
    Exchange(with, with);
    Server(Error("00000", "enough") + Ready());
  }
  EXPECT_EQ(LeftOut(TokenLeftOut::other_statement), 7u);
  EXPECT_EQ(Sent(), 0u);
}

TEST_F(EditTest, NoTokenBehindABegin) {
  Begin();
  for (const char* begin : {"BEGIN", "START TRANSACTION", "begin isolation level serializable"}) {
    const std::string all = Do("INSERT INTO t VALUES (1)") + Do(begin) + Sync();
    Exchange(all, all);
    Server(Ran("INSERT 0 1") + Ran("BEGIN") + Ready('T'));
    Exchange(Do("INSERT INTO t VALUES (1)") + Sync(), Do("INSERT INTO t VALUES (1)") + Sync());
    Server(Ran("INSERT 0 1") + Ready('T'));
    Exchange(Query("ROLLBACK"), Query("ROLLBACK"));
    Server(Complete("ROLLBACK") + Ready());
  }
  EXPECT_EQ(Sent(), 0u);
}

TEST_F(EditTest, ACommitGetsItsTokenBeforeItsExecute) {
  Begin();
  Client(Query("BEGIN"));
  Server(Complete("BEGIN") + Ready('T'));
  Client(Do("INSERT INTO t VALUES (1)") + Sync());
  Server(Ran("INSERT 0 1") + Ready('T'));
  TakePrimary();
  TakeClient();
  const std::string before = Parse("", "COMMIT") + Bind() + Describe();
  Exchange(before + Execute() + Sync(), before + kToken + Execute() + Sync());
  Answer(ParseComplete() + BindComplete() + Of('n') + TokenBound() + Complete("COMMIT") + Ready(),
         ParseComplete() + BindComplete() + Of('n') + Complete("COMMIT") + Ready());
  EXPECT_EQ(Events(), std::string("client server client server client token-sent client server ") +
                          kSeen + " server");
}

TEST_F(EditTest, AWholeTransactionInOnePipelineGetsItsToken) {
  Begin();
  const std::string before =
      Do("BEGIN") + Do("SET TRANSACTION ISOLATION LEVEL SERIALIZABLE") + Do("DELETE FROM t");
  const std::string commit = Parse("", "END") + Bind();
  Exchange(before + commit + Execute() + Do("DELETE FROM u") + Sync(),
           before + commit + kToken + Execute() + Do("DELETE FROM u") + kToken + Sync());
  const std::string first = Ran("BEGIN") + Ran("SET") + Ran("DELETE 1");
  Answer(first + ParseComplete() + BindComplete() + TokenBound() + Complete("COMMIT") +
             Ran("DELETE 0") + TokenBound() + Ready(),
         first + Ran("COMMIT") + Ran("DELETE 0") + Ready());
  EXPECT_EQ(Seen(), 2u);
}

TEST_F(EditTest, AnErrorBeforeTheTokenTakesItAlong) {
  Begin();
  const std::string all = Do("BEGIN") + Do("DELETE FROM t") + Parse("", "COMMIT") + Bind();
  Exchange(all + Execute() + Sync(), all + kToken + Execute() + Sync());
  const std::string answer = Ran("BEGIN") + ParseComplete() + Error("42P01", "no t") + Ready('E');
  Answer(answer, answer);
  EXPECT_EQ(Seen(), 0u);
  // A failed transaction is not asked.
  Exchange(Query("COMMIT"), Query("COMMIT"));
  Answer(Complete("ROLLBACK") + Ready(), Complete("ROLLBACK") + Ready());
  Exchange(Do("DELETE FROM t") + Sync(), Do("DELETE FROM t") + kToken + Sync());
  Answer(Ran("DELETE 0") + TokenBound() + Ready(), Ran("DELETE 0") + Ready());
}

TEST_F(EditTest, ACommitAndChainOrAPreparedOneIsACommit) {
  Begin();
  Client(Query("BEGIN"));
  Server(Complete("BEGIN") + Ready('T'));
  for (const char* sql : {"COMMIT AND CHAIN", "PREPARE TRANSACTION 'g'"}) {
    Client(Do("DELETE FROM t") + Sync());
    Server(Ran("DELETE 0") + Ready('T'));
    TakePrimary();
    const std::string commit = Parse("", sql) + Bind();
    Exchange(commit + Execute() + Sync(), commit + kToken + Execute() + Sync());
    Server(ParseComplete() + BindComplete() + TokenBound() + Complete("X") + Ready('T'));
    TakeClient();
  }
  EXPECT_EQ(Seen(), 2u);
}

// A first query would fix the snapshot that SET TRANSACTION is still to say something about, and
// make a deferrable transaction wait.
TEST_F(EditTest, NoTokenInATransactionThatDidNothing) {
  Begin();
  Client(Query("BEGIN ISOLATION LEVEL SERIALIZABLE READ ONLY DEFERRABLE"));
  Server(Complete("BEGIN") + Ready('T'));
  Client(Query("SET TRANSACTION SNAPSHOT 'x'"));
  Server(Complete("SET") + Ready('T'));
  TakePrimary();
  Exchange(Query("COMMIT"), Query("COMMIT"));
  Server(Complete("COMMIT") + Ready());
  Exchange(Do("BEGIN") + Do("COMMIT") + Sync(), Do("BEGIN") + Do("COMMIT") + Sync());
}

TEST_F(EditTest, NoTokenWhileSomethingSentBeforeIsNotAnswered) {
  Begin();
  const std::string write = Do("DELETE FROM t");
  Exchange(write + Sync() + write + Sync() + Query("DELETE FROM t"),
           write + kToken + Sync() + write + Sync() + Query("DELETE FROM t"));
  EXPECT_EQ(LeftOut(TokenLeftOut::pipelined), 2u);
  Answer(Ran("DELETE 0") + TokenBound() + Ready() + Ran("DELETE 0") + Ready(),
         Ran("DELETE 0") + Ready() + Ran("DELETE 0") + Ready());
  Exchange(Do("DELETE FROM t") + Sync(), Do("DELETE FROM t") + Sync());
  EXPECT_EQ(LeftOut(TokenLeftOut::pipelined), 3u);
  Server(Complete("DELETE 0") + Ready() + Ran("DELETE 0") + Ready());
  Exchange(Do("DELETE FROM t") + Sync(), Do("DELETE FROM t") + kToken + Sync());
}

// --- simple queries ---

TEST_F(EditTest, ASimpleWriteIsAskedBehindItself) {
  Begin();
  const std::string write = "INSERT INTO t VALUES ('it''s') RETURNING id;";
  Exchange(Query(write), Query(write + "\n;EXECUTE pgparity_token"));
  EXPECT_FALSE(edit_.takes_client());
  const std::string rows = Of('T', "one column") + Row();
  // Its CommandComplete waits for the commit.
  Answer(rows + Complete("INSERT 0 1") + TokenQueried().substr(0, 30), rows);
  Answer(TokenQueried().substr(30) + Parameter("TimeZone", "x") + Ready(),
         Complete("INSERT 0 1") + Parameter("TimeZone", "x") + Ready());
  EXPECT_TRUE(edit_.takes_client());
  EXPECT_EQ(Recorded("client"), Query(write));
  EXPECT_EQ(Recorded("server"),
            rows + Complete("INSERT 0 1") + Parameter("TimeZone", "x") + Ready());
  EXPECT_EQ(Events(), std::string("client token-sent server ") + kSeen + " server");
}

TEST_F(EditTest, AnErrorAtTheCommitTakesTheCommandCompleteAlong) {
  Begin();
  Client(Query("INSERT INTO t VALUES (1)"));
  Answer(Complete("INSERT 0 1") + Of('T', "d") + TokenRow() + Notice("from a trigger") +
             Error("23503", "deferred") + Ready(),
         Notice("from a trigger") + Error("23503", "deferred") + Ready());
  EXPECT_EQ(context_.counters.refused_sessions.value(), 0u);
  EXPECT_EQ(Recorded("server"), Notice("from a trigger") + Error("23503", "deferred") + Ready());
}

TEST_F(EditTest, AnErrorInTheStatementIsItsOwn) {
  Begin();
  Client(Query("INSERT INTO t VALUES (1) RETURNING x"));
  Answer(Error("42703", "no x", 36) + Ready(), Error("42703", "no x", 36) + Ready());
  EXPECT_TRUE(edit_.takes_client());
  Client(Query("UPDATE t SET v = 1; DELETE FROM t RETURNING 1/0"));
  Answer(Complete("UPDATE 1") + Of('T', "d") + Error("22012", "division by zero") + Ready(),
         Complete("UPDATE 1") + Of('T', "d") + Error("22012", "division by zero") + Ready());
}

TEST_F(EditTest, ATextThatWasNotWholeGoesAgainAsItWas) {
  Begin();
  const std::string half = "INSERT INTO tä";
  Exchange(Query(half), Query(half + "\n;EXECUTE pgparity_token"));
  Client(Query("SELECT 'waits'"));
  // In characters: the text has 14.
  Answer(Error("42601", "syntax error at or near \";\"", 16) + Ready(), "");
  EXPECT_EQ(TakePrimary(), Query(half));
  Answer(Error("42601", "syntax error at end of input", 15) + Ready(),
         Error("42601", "syntax error at end of input", 15) + Ready());
  EXPECT_EQ(TakePrimary(), Query("SELECT 'waits'"));
  EXPECT_EQ(context_.counters.sent_again.value(), 1u);
  // The last of its own characters is not behind it.
  Server(Complete("SELECT 1") + Ready());
  TakeClient();
  Client(Query(half));
  Answer(Error("42P01", "no such table", 14) + Ready(),
         Error("42P01", "no such table", 14) + Ready());
}

TEST_F(EditTest, TheParsersNoticesComeOnce) {
  Begin();
  const std::string notice =
      Of('N', "VNOTICE" + Text("") + "C" + Text("42622") + "M" + Text("truncated") + '\0');
  Client(Query("DELETE FROM much_too_long"));
  Answer(notice + Complete("DELETE 0") + TokenQueried() + Ready(),
         notice + Complete("DELETE 0") + Ready());
  Client(Query("DELETE FROM much_too_long x y"));
  Answer(notice + Error("42601", "not at the end", 5) + Ready(),
         notice + Error("42601", "not at the end", 5) + Ready());
  Client(Query("DELETE FROM much_too_long WHERE"));
  Answer(notice + Error("42601", "at \";\"", 34) + Ready(), "");
  Answer(notice + Error("42601", "at the end", 32) + Ready(),
         notice + Error("42601", "at the end", 32) + Ready());
}

// With client_min_messages = debug the server tells of the token's own messages.
TEST_F(EditTest, WhatTellsOfTheTokenIsTakenOut) {
  Begin();
  const std::string debug = Of('N', "VDEBUG" + Text("") + "M" + Text("bind") + '\0');
  Client(Do("DELETE FROM t") + Sync());
  Answer(debug + Ran("DELETE 0") + debug + BindComplete() + debug + TokenRow() +
             Complete("SELECT 1") + debug + Ready(),
         debug + Ran("DELETE 0") + debug + Ready());
}

TEST_F(EditTest, ASimpleCommitIsAskedBeforeItself) {
  Begin();
  for (const char* commit : {"COMMIT", " /* the */ end;", "commit work and chain"}) {
    Client(Query("BEGIN; SET LOCAL x = 1"));
    Server(Complete("BEGIN") + Complete("SET") + Ready('T'));
    Client(Query("SELECT 1"));
    Server(Of('T', "d") + Row() + Complete("SELECT 1") + Ready('T'));
    TakePrimary();
    TakeClient();
    events_.clear();
    Events();
    events_.clear();
    std::string asked(commit);
    asked.insert(asked.find_first_of("Cce"), "EXECUTE pgparity_token;");
    if (commit[1] == '/') asked = " /* the */ EXECUTE pgparity_token;end;";
    Exchange(Query(commit), Query(asked));
    Answer(TokenQueried() + Complete("COMMIT") + Ready(), Complete("COMMIT") + Ready());
    EXPECT_EQ(Events(), std::string("token-sent client ") + kSeen + " server");
  }
}

TEST_F(EditTest, ATransactionInOneTextIsAskedBeforeItsCommit) {
  Begin();
  const std::string before = "BEGIN; INSERT INTO t VALUES (';'); ;SELECT 1; ";
  Exchange(Query(before + "COMMIT"), Query(before + "EXECUTE pgparity_token;COMMIT"));
  const std::string answer =
      Complete("BEGIN") + Complete("INSERT 0 1") + Of('T', "d") + Row() + Complete("SELECT 1");
  Answer(answer + TokenQueried() + Complete("COMMIT") + Ready(),
         answer + Complete("COMMIT") + Ready());
  EXPECT_EQ(Events(), std::string("client token-sent server ") + kSeen + " server");
}

TEST_F(EditTest, TextsInWhichNoPlaceIsCertainAreLeftAlone) {
  Begin();
  context_.max_text = 1000;
  const std::string open[] = {
      "INSERT INTO t VALUES ('open",
      "INSERT INTO t VALUES (1) /* open",
      "INSERT INTO t VALUES ($a$open$$",
      "INSERT INTO t VALUES (\"open",
      "INSERT INTO t VALUES (1",
      "INSERT INTO t VALUES (E'\\')",
      "INSERT INTO t VALUES ('open'''",
      "BEGIN; INSERT INTO t VALUES (1); COMMIT; SELECT 1",
      "INSERT INTO t VALUES (1); COMMIT; INSERT INTO t VALUES (2); COMMIT",
  };
  uint64_t left_out = 0;
  for (const std::string& sql : open) {
    Exchange(Query(sql), Query(sql));
    Server(Error("42601", "x", 3) + Ready());
    const uint64_t now = LeftOut(TokenLeftOut::text) + LeftOut(TokenLeftOut::other_statement);
    EXPECT_EQ(now, ++left_out) << sql;
  }
  for (const char* sql : {"COPY t FROM STDIN", "CREATE TABLE u ()", "DO 'x'", "CALL p()",
                          "INSERT INTO t VALUES (1); BEGIN", "DISCARD ALL; DELETE FROM t"}) {
    Exchange(Query(sql), Query(sql));
    Server(Error("00000", "x") + Ready());
    EXPECT_EQ(LeftOut(TokenLeftOut::text) + LeftOut(TokenLeftOut::other_statement), ++left_out)
        << sql;
  }
  const std::string large = "DELETE FROM t --" + std::string(2000, 'x');
  Exchange(Query(large), Query(large));
  Server(Complete("DELETE 0") + Ready());
  EXPECT_EQ(LeftOut(TokenLeftOut::too_long), 1u);
  // Settings under which the lexer would read another text than the server does.
  Server(Parameter("standard_conforming_strings", "off"));
  Exchange(Query("DELETE FROM t"), Query("DELETE FROM t"));
  Server(Complete("DELETE 0") + Ready());
  Server(Parameter("standard_conforming_strings", "on") + Parameter("client_encoding", "SJIS"));
  Exchange(Query("DELETE FROM t\x95\x5c"), Query("DELETE FROM t\x95\x5c"));
  Server(Complete("DELETE 0") + Ready());
  EXPECT_EQ(Sent(), 0u);
  Exchange(Query("DELETE FROM t"), Query("DELETE FROM t\n;EXECUTE pgparity_token"));
}

TEST_F(EditTest, ALineCommentAtTheEndHidesNothing) {
  Begin();
  Exchange(Query("DELETE FROM t -- all"), Query("DELETE FROM t -- all\n;EXECUTE pgparity_token"));
}

TEST_F(EditTest, DiscardAllIsFollowedByAProbe) {
  Begin();
  Client(Query("BEGIN") + Query("DELETE FROM t") + Query("DEALLOCATE ALL"));
  Server(Complete("BEGIN") + Ready('T') + Complete("DELETE 1") + Ready('T') +
         Complete("DEALLOCATE ALL") + Ready('T'));
  TakePrimary();
  Exchange(Query("COMMIT"), Query("COMMIT"));
  EXPECT_EQ(LeftOut(TokenLeftOut::unprepared), 1u);
  Server(Complete("COMMIT") + Ready());
  EXPECT_EQ(TakePrimary(), TokenProbeMessages());
  Server(Probed());
  Exchange(Query("DISCARD ALL") + Query("DELETE FROM t"),
           Query("DISCARD ALL") + Query("DELETE FROM t"));
  Server(Complete("DISCARD ALL") + Ready());
  EXPECT_EQ(TakePrimary(), "") << "the second is not answered";
  Server(Complete("DELETE 0") + Ready());
  EXPECT_EQ(TakePrimary(), TokenProbeMessages());
  Server(Probed());
  Exchange(Query("DELETE FROM t"), Query("DELETE FROM t\n;EXECUTE pgparity_token"));
}

TEST_F(EditTest, ATokenThatIsRefusedLaterIsNotAskedForAgain) {
  Begin();
  Client(Do("DELETE FROM t") + Sync());
  Answer(Ran("DELETE 0") + Error("26000", "gone") + Ready(),
         Ran("DELETE 0") + Error("26000", "gone") + Ready());
  TakePrimary();
  Exchange(Do("DELETE FROM t") + Sync(), Do("DELETE FROM t") + Sync());
  EXPECT_EQ(LeftOut(TokenLeftOut::refused), 1u);
}

TEST_F(EditTest, WhatIsNotRecordedIsNotAsked) {
  Begin();
  switch_.TurnOff("paused");
  Client(Query("SELECT 1"));
  Server(Ready());
  TakePrimary();
  Exchange(Query("DELETE FROM t"), Query("DELETE FROM t"));
  Server(Complete("DELETE 0") + Ready());
  EXPECT_EQ(Sent(), 0u);
}

TEST_F(EditTest, BadLengthsEndTheSessionAsTheRelaySaysIt) {
  Begin();
  Client(Query("SELECT 1") + std::string("Q\0\0\0\1tail", 9));
  EXPECT_EQ(last_, Relay::Next::bad_frame);
  EXPECT_EQ(TakePrimary(), Query("SELECT 1"));
  Server(Ready() + std::string("Z\xff\0\0\1", 5));
  EXPECT_EQ(last_, Relay::Next::bad_frame);
  EXPECT_EQ(TakeClient(), Ready());
}

TEST_F(EditTest, LargeFramesGoOnAsTheyCome) {
  Begin();
  const std::string large = Bind("", "", std::string(100'000, 'x'));
  const std::string write = Parse("", "INSERT INTO t VALUES ($1)");
  Client(std::string_view(write + large).substr(0, 60'000));
  EXPECT_EQ(TakePrimary().size(), 60'000u);
  Client(std::string_view(write + large).substr(60'000));
  TakePrimary();
  Exchange(Execute() + Sync(), Execute() + kToken + Sync());
  const std::string row = Row(std::string(200'000, 'y'));
  Server(ParseComplete() + BindComplete());
  TakeClient();
  for (size_t at = 0; at < row.size(); at += 50'000) {
    Answer(row.substr(at, 50'000), row.substr(at, 50'000));
  }
  Answer(Complete("INSERT 0 1") + TokenBound() + Ready(), Complete("INSERT 0 1") + Ready());
}

// However the bytes are cut, the same goes out and is recorded.
TEST_F(EditTest, HoweverTheBytesAreCut) {
  const unsigned seed = std::random_device{}();
  SCOPED_TRACE(testing::Message() << "seed " << seed);
  std::mt19937 random(seed);
  Begin();
  cut_ = &random;
  for (int round = 0; round < 50; ++round) {
    const std::string write = Do("INSERT INTO t VALUES ($1)");
    Exchange(write + Sync(), write + kToken + Sync());
    Answer(Ran("INSERT 0 1") + TokenBound() + Ready(), Ran("INSERT 0 1") + Ready());
    Exchange(Query("DELETE FROM t"), Query("DELETE FROM t\n;EXECUTE pgparity_token"));
    Answer(Complete("DELETE 0") + TokenQueried() + Ready(), Complete("DELETE 0") + Ready());
    Exchange(Query("BEGIN"), Query("BEGIN"));
    Answer(Complete("BEGIN") + Ready('T'), Complete("BEGIN") + Ready('T'));
    Exchange(Query("DELETE FROM t"), Query("DELETE FROM t"));
    const std::string rows = Of('T', "d") + Row() + Row() + Complete("DELETE 2") + Ready('T');
    Answer(rows, rows);
    Exchange(Query("COMMIT"), Query("EXECUTE pgparity_token;COMMIT"));
    Answer(TokenQueried() + Complete("COMMIT") + Ready(), Complete("COMMIT") + Ready());
  }
  EXPECT_EQ(Seen(), 150u);
  EXPECT_TRUE(edit_.Idle());
}

}  // namespace
}  // namespace pgparity::proxy
