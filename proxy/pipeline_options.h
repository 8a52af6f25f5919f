// What the pipeline behind the tap is made with.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "proxy/role_map.h"
#include "proxy/url.h"
#include "shadow/plan.h"
#include "shadow/roles.h"
#include "shadow/settling.h"

namespace pgparity::proxy {

struct ShadowPipelineOptions {
  std::string data_dir;
  DatabaseUrl primary;  // no user: no credentials, no connection of our own
  DatabaseUrl shadow;   // per_database(): each database of the primary has its own
  std::vector<RoleMapEntry> role_map;
  size_t max_databases = 16;  // shadowed at most
  shadow::DdlMode ddl = shadow::DdlMode::replay;
  double read_sample = 1.0;
  size_t shadow_connections = 2;  // for each database
  size_t window = 64;
  uint64_t capture_rows = 1 << 20;                                 // bytes a statement
  uint64_t capture_frame = 64 << 20;                               // bytes
  uint64_t journal_segment = 64 << 20, journal_keep = 8ull << 30;  // bytes
  absl::Duration time_tolerance = absl::Seconds(1);
  shadow::SettlingOptions settling;
  bool start_check = true;
  absl::Duration start_check_timeout = absl::Minutes(10);
  absl::Duration connect_timeout = absl::Seconds(10);

  // The database of the primary's URL.
  std::string database() const;
  // Of one database, on the shadow.
  std::string ShadowConninfo(const std::string& database) const;
  shadow::RoleMap Roles(const std::string& database) const;
};

}  // namespace pgparity::proxy
