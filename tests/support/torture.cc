#include "tests/support/torture.h"

#include <algorithm>
#include <atomic>
#include <mutex>
#include <random>
#include <thread>

#include "tests/support/libpq_client.h"

namespace pgparity::support {
namespace {

constexpr std::array<std::string_view, kTortureUnits> kNames = {
    "counter",         "blind-write",       "update-returning", "upsert",        "upsert-nothing",
    "transfer",        "read-modify-write", "queue-push",       "queue-pop",     "queue-take",
    "serial-unseen",   "order-with-items",  "order-delete",     "deferred-tree", "insert-select",
    "savepoint-error", "rolled-back",       "delete-insert",    "point-read",    "long-read",
    "repeatable-read", "serializable"};

// How often each is drawn.
constexpr std::array<int, kTortureUnits> kWeights = {10, 10, 6, 6, 3, 6, 5, 6, 4, 3, 4,
                                                     5,  2,  3, 2, 3, 3, 3, 8, 2, 3, 3};

class Worker {
 public:
  Worker(const std::string& url, const TortureOptions& options, int number)
      : client_(url),
        options_(options),
        number_(number),
        random_(options.seed * 1000003 + static_cast<uint64_t>(number)),
        draw_(Weights(options)) {}

  bool ok() const { return client_.ok(); }
  std::string error() const { return client_.error(); }

  // False when the connection is lost.
  bool RunOne(TortureResult* result) {
    failed_.clear();
    Run(static_cast<TortureUnit>(draw_(random_)));
    if (!client_.ok()) return false;
    if (failed_.empty()) {
      ++result->committed;
    } else {
      ++result->errors[failed_];
      client_.Query("ROLLBACK");
    }
    return true;
  }

 private:
  static std::discrete_distribution<int> Weights(const TortureOptions& options) {
    std::array<int, kTortureUnits> weights = kWeights;
    for (TortureUnit unit : options.without) weights[static_cast<size_t>(unit)] = 0;
    return {weights.begin(), weights.end()};
  }

  int Below(int bound) { return std::uniform_int_distribution<int>(0, bound - 1)(random_); }
  std::string Hot() { return std::to_string(Below(options_.hot_rows)); }
  std::string Value() {
    return "w" + std::to_string(number_) + "-" + std::to_string(Below(1000000));
  }

  // One statement; after a failed one of this unit, nothing.
  QueryResult Do(const std::string& sql) {
    if (!failed_.empty()) return {};
    return Note(client_.Query(sql));
  }
  QueryResult Do(const std::string& sql, const std::vector<Cell>& values) {
    if (!failed_.empty()) return {};
    return Note(client_.Query(sql, values));
  }
  QueryResult Note(QueryResult result) {
    if (!result.ok) failed_ = result.sqlstate.empty() ? "lost" : result.sqlstate;
    return result;
  }

  void Run(TortureUnit unit) {
    switch (unit) {
      case TortureUnit::counter:
        Do("UPDATE accounts SET balance = balance + " + std::to_string(Below(100)) +
           " WHERE id = " + Hot());
        return;
      case TortureUnit::blind_write:
        Do("UPDATE kv SET v = $1 WHERE k = $2", {Value(), Hot()});
        return;
      case TortureUnit::update_returning:
        Do("UPDATE accounts SET version = version + 1 WHERE id = $1 RETURNING version, balance",
           {Hot()});
        return;
      case TortureUnit::upsert:
        Do("INSERT INTO kv (k, v, n) VALUES ($1, $2, 1) ON CONFLICT (k) DO UPDATE SET v = "
           "excluded.v, n = kv.n + 1 RETURNING n",
           {std::to_string(Below(4 * options_.hot_rows)), Value()});
        return;
      case TortureUnit::upsert_nothing:
        Do("INSERT INTO kv (k, v, n) VALUES ($1, $2, 1) ON CONFLICT DO NOTHING",
           {std::to_string(Below(16 * options_.hot_rows)), Value()});
        return;
      case TortureUnit::point_read:
        Do("SELECT id, balance, version FROM accounts WHERE id = $1", {Hot()});
        return;
      case TortureUnit::long_read:
        Do("SELECT count(*), sum(balance), sum(version) FROM accounts");
        Do("SELECT state, count(*) FROM queue GROUP BY state ORDER BY state");
        return;
      case TortureUnit::transfer:
      case TortureUnit::read_modify_write:
      case TortureUnit::repeatable_read:
      case TortureUnit::serializable:
        return RunAccounts(unit);
      case TortureUnit::queue_push:
      case TortureUnit::queue_pop:
      case TortureUnit::queue_take:
        return RunQueue(unit);
      default:
        return RunTables(unit);
    }
  }

  void RunAccounts(TortureUnit unit) {
    if (unit == TortureUnit::transfer) {
      int a = Below(options_.hot_rows), b = Below(options_.hot_rows);
      if (a > b) std::swap(a, b);
      Do("BEGIN");
      Do("SELECT balance FROM accounts WHERE id = $1 FOR UPDATE", {std::to_string(a)});
      Do("SELECT balance FROM accounts WHERE id = $1 FOR UPDATE", {std::to_string(b)});
      Do("UPDATE accounts SET balance = balance - 7 WHERE id = $1", {std::to_string(a)});
      Do("UPDATE accounts SET balance = balance + 7 WHERE id = $1", {std::to_string(b)});
      Do("COMMIT");
      return;
    }
    Do(unit == TortureUnit::repeatable_read ? "BEGIN ISOLATION LEVEL REPEATABLE READ"
       : unit == TortureUnit::serializable  ? "BEGIN ISOLATION LEVEL SERIALIZABLE"
                                            : "BEGIN");
    const std::string row = Hot(), other = Hot();
    const std::string balance = Do("SELECT balance FROM accounts WHERE id = $1", {row}).Scalar();
    if (unit != TortureUnit::read_modify_write)
      Do("SELECT sum(balance) FROM accounts WHERE id <> $1", {row});
    if (failed_.empty())
      Do("UPDATE accounts SET balance = $1 WHERE id = $2",
         {std::to_string(std::stoll(balance) + 3),
          unit == TortureUnit::serializable ? other : row});
    Do("COMMIT");
  }

  void RunQueue(TortureUnit unit) {
    if (unit == TortureUnit::queue_push) {
      Do("INSERT INTO queue (payload) VALUES ($1) RETURNING id", {Value()});
    } else if (unit == TortureUnit::queue_take) {
      Do("DELETE FROM queue WHERE id = (SELECT id FROM queue WHERE state = 'new' ORDER BY id LIMIT "
         "1 FOR UPDATE SKIP LOCKED) RETURNING id, payload");
    } else {
      Do("BEGIN");
      const QueryResult job = Do(
          "SELECT id, payload FROM queue WHERE state = 'new' ORDER BY id LIMIT 1 FOR UPDATE SKIP "
          "LOCKED");
      if (!job.rows.empty())
        Do("UPDATE queue SET state = 'done', taken_by = $1 WHERE id = $2",
           {std::to_string(number_), job.Scalar()});
      Do("COMMIT");
    }
  }

  void RunTables(TortureUnit unit) {
    switch (unit) {
      case TortureUnit::serial_unseen:
        Do("INSERT INTO audit (who, what) VALUES ($1, 'seen')", {Hot()});
        return;
      case TortureUnit::insert_select:
        Do("INSERT INTO audit (who, what) SELECT id, 'rich' FROM accounts WHERE balance > 500 "
           "ORDER BY id");
        return;
      case TortureUnit::order_with_items:
        return Order();
      case TortureUnit::order_delete:
        Do("DELETE FROM orders WHERE id = $1", {std::to_string(1 + Below(200))});
        return;
      case TortureUnit::deferred_tree:
        return Tree();
      case TortureUnit::savepoint_error:
        Do("BEGIN");
        Do("UPDATE kv SET n = n + 1 WHERE k = $1", {Hot()});
        Do("SAVEPOINT s");
        if (failed_.empty()) client_.Query("INSERT INTO accounts VALUES (0, 0, 0)");
        Do("ROLLBACK TO s");
        Do("UPDATE kv SET v = $1 WHERE k = $2", {Value(), Hot()});
        Do("COMMIT");
        return;
      case TortureUnit::rolled_back:
        Do("BEGIN");
        Do("UPDATE accounts SET balance = 0 WHERE id = $1 RETURNING id", {Hot()});
        Do("ROLLBACK");
        return;
      default: {
        const std::string key = std::to_string(Below(4 * options_.hot_rows));
        Do("BEGIN");
        Do("DELETE FROM kv WHERE k = $1", {key});
        Do("INSERT INTO kv (k, v, n) VALUES ($1, $2, 0) ON CONFLICT (k) DO UPDATE SET v = "
           "excluded.v",
           {key, Value()});
        Do("COMMIT");
        return;
      }
    }
  }

  void Order() {
    Do("BEGIN");
    const std::string order =
        Do("INSERT INTO orders (customer, total) VALUES ($1, $2) RETURNING id, created_at",
           {Hot(), std::to_string(Below(10000)) + ".50"})
            .Scalar();
    const int items = 1 + Below(3);
    for (int i = 0; i < items; ++i) {
      Do("INSERT INTO items (order_id, qty) VALUES ($1, $2) RETURNING id",
         {order, std::to_string(1 + Below(9))});
    }
    Do("COMMIT");
  }

  void Tree() {
    // Keys of this worker alone; a parent that never comes fails at COMMIT.
    const int64_t base = 1'000'000LL * (number_ + 1) + 2 * tree_++;
    Do("BEGIN");
    Do("INSERT INTO nodes VALUES ($1, $2)", {std::to_string(base), std::to_string(base + 1)});
    if (Below(4) != 0) Do("INSERT INTO nodes VALUES ($1, NULL)", {std::to_string(base + 1)});
    Do("COMMIT");
  }

  LibpqClient client_;
  const TortureOptions& options_;
  const int number_;
  std::mt19937_64 random_;
  std::discrete_distribution<int> draw_;
  int64_t tree_ = 0;
  std::string failed_;  // SQLSTATE of the unit under way
};

}  // namespace

std::string_view TortureUnitName(TortureUnit unit) { return kNames[static_cast<size_t>(unit)]; }

std::vector<std::string> TortureSchema(int hot_rows) {
  const std::string last = std::to_string(hot_rows - 1);
  return {
      "CREATE TABLE accounts (id int PRIMARY KEY, balance bigint NOT NULL, version int NOT NULL)",
      "INSERT INTO accounts SELECT i, 1000, 0 FROM generate_series(0, " + last + ") i",
      "CREATE TABLE kv (k int PRIMARY KEY, v text, n int NOT NULL)",
      "INSERT INTO kv SELECT i, 'start', 0 FROM generate_series(0, " + last + ") i",
      "CREATE TABLE queue (id bigserial PRIMARY KEY, payload text, state text NOT NULL DEFAULT "
      "'new', taken_by int)",
      "CREATE TABLE orders (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, customer int NOT "
      "NULL REFERENCES accounts, total numeric(12, 2), created_at timestamptz NOT NULL DEFAULT "
      "now())",
      "CREATE TABLE items (id serial PRIMARY KEY, order_id bigint NOT NULL REFERENCES orders ON "
      "DELETE CASCADE, qty int CHECK (qty > 0))",
      "CREATE TABLE nodes (id bigint PRIMARY KEY, parent bigint REFERENCES nodes DEFERRABLE "
      "INITIALLY DEFERRED)",
      "CREATE TABLE audit (id bigserial PRIMARY KEY, who int, what text, at timestamptz DEFAULT "
      "now())",
  };
}

TortureResult RunTorture(const std::string& url, const TortureOptions& options) {
  TortureResult total;
  std::mutex mutex;
  std::atomic<int64_t> left{static_cast<int64_t>(options.units)};
  std::vector<std::thread> threads;
  threads.reserve(static_cast<size_t>(options.connections));
  for (int i = 0; i < options.connections; ++i) {
    threads.emplace_back([&, i] {
      Worker worker(url, options, i);
      TortureResult mine;
      if (!worker.ok()) mine.trouble = worker.error();
      while (mine.trouble.empty() && left.fetch_sub(1) > 0) {
        if (!worker.RunOne(&mine)) mine.trouble = worker.error();
      }
      const std::lock_guard lock(mutex);
      total.committed += mine.committed;
      for (const auto& [state, count] : mine.errors) total.errors[state] += count;
      if (!mine.trouble.empty()) total.trouble = mine.trouble;
    });
  }
  for (std::thread& thread : threads) thread.join();
  return total;
}

}  // namespace pgparity::support
