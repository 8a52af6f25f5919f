// Units that ended with PREPARE TRANSACTION and wait for their COMMIT or ROLLBACK PREPARED, which
// may come from any session.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "shadow/unit_writer.h"

namespace pgparity::shadow {

// The transaction's name in PREPARE TRANSACTION 'x' and its ends; nullopt for a spelling that is
// not understood (U&'...').
std::optional<std::string> GidOf(std::string_view sql, bool standard_conforming_strings);

struct ParkedUnit {
  UnitHeader header;  // of the session that prepared it; its interval's lo is set
  OpenUnit unit;
};

// Memory and number of units are bounded by the options.
class PreparedUnits {
 public:
  // Both outlive this.
  PreparedUnits(const AssemblerOptions& options, UnitWriter* writer)
      : options_(options), writer_(writer) {}

  // When there is no room the unit is dropped: a gap `prepared-overflow`.
  void Park(std::string_view gid, ParkedUnit parked);
  // The unit of that name, which is parked no longer.
  std::optional<ParkedUnit> Take(std::string_view database, std::string_view gid);
  // What is still parked is not known to be lost: it may be finished under another process.
  size_t size() const { return parked_.size(); }

 private:
  const AssemblerOptions& options_;
  UnitWriter* const writer_;
  std::map<std::string, ParkedUnit, std::less<>> parked_;
  size_t bytes_ = 0;
};

}  // namespace pgparity::shadow
