// Concurrent traffic made to break ordering: every worker draws its units from a seeded generator,
// so that a seed gives the same statements again (not the same interleaving).
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace pgparity::support {

enum class TortureUnit : uint8_t {
  counter,            // UPDATE .. SET n = n + 1
  blind_write,        // UPDATE .. SET v = constant
  update_returning,   //
  upsert,             // ON CONFLICT DO UPDATE .. RETURNING
  upsert_nothing,     // ON CONFLICT DO NOTHING
  transfer,           // two rows FOR UPDATE, in one order
  read_modify_write,  // without a lock
  queue_push,         // serial id returned
  queue_pop,          // FOR UPDATE SKIP LOCKED, then UPDATE
  queue_take,         // DELETE .. WHERE id = (SELECT .. SKIP LOCKED) RETURNING
  serial_unseen,      // serial id that no reply shows
  order_with_items,   // identity and foreign keys, in one transaction
  order_delete,       // cascades
  deferred_tree,      // a child before its parent; fails at COMMIT now and then
  insert_select,      //
  savepoint_error,    //
  rolled_back,        //
  delete_insert,      // of one key, in one transaction
  point_read,         //
  long_read,          // aggregates over hot tables
  repeatable_read,    // read, then write; may fail with 40001
  serializable,       // write skew; may fail with 40001
};
inline constexpr size_t kTortureUnits = 22;
std::string_view TortureUnitName(TortureUnit unit);

struct TortureOptions {
  uint64_t seed = 1;
  int connections = 8;
  uint64_t units = 2000;  // of all connections
  int hot_rows = 8;
  // Units that are left out; snapshot units are the last two.
  std::vector<TortureUnit> without;
};

struct TortureResult {
  uint64_t committed = 0;
  std::map<std::string, uint64_t> errors;  // SQLSTATE -> units that it ended
  std::string trouble;                     // of a connection; "" for none
};

// Statements that make the tables, for both sides.
std::vector<std::string> TortureSchema(int hot_rows);
// Runs the traffic to its end.
TortureResult RunTorture(const std::string& url, const TortureOptions& options);

}  // namespace pgparity::support
