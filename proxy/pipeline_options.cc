#include "proxy/pipeline_options.h"

namespace pgparity::proxy {

std::string ShadowPipelineOptions::database() const {
  return primary.database.empty() ? primary.user : primary.database;
}

std::string ShadowPipelineOptions::ShadowConninfo(const std::string& database) const {
  return shadow.ForDatabase(database).ToLibpqConninfo();
}

shadow::RoleMap ShadowPipelineOptions::Roles(const std::string& database) const {
  return MakeRoleMap(role_map, shadow.ForDatabase(database), database);
}

}  // namespace pgparity::proxy
