#include "shadow/replay_rules.h"

#include <algorithm>
#include <string>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "absl/strings/ascii.h"
#include "shadow/code_risk.h"
#include "shadow/parse_tree.h"
#include "shadow/words.h"

namespace pgparity::shadow {
namespace {

using K = StatementKind;
using Words = absl::flat_hash_set<std::string_view>;

// ---------------------------------------------------------------------------------- functions

struct FunctionList {
  FunctionClass cls;
  std::string_view reason;
  std::string_view names;  // separated by blanks; a name with * at its end is a prefix
};

// Functions of pg_catalog. The first list that names a function decides.
constexpr FunctionList kFunctions[] = {
    {FunctionClass::never, "server-signal",
     "pg_terminate_backend pg_cancel_backend pg_reload_conf pg_rotate_logfile "
     "pg_rotate_logfile_old "
     "pg_log_backend_memory_contexts pg_promote pg_wal_replay_pause pg_wal_replay_resume"},
    {FunctionClass::never, "server-file",
     "pg_read_file pg_read_file_old pg_read_binary_file pg_stat_file pg_ls_* pg_file_* "
     "pg_logdir_ls "
     "pg_current_logfile pg_hba_file_rules pg_ident_file_mappings pg_show_all_file_settings"},
    {FunctionClass::never, "large-object",
     "lo_import lo_export lo_creat lo_create lo_open lo_close loread lowrite lo_lseek lo_lseek64 "
     "lo_tell "
     "lo_tell64 lo_truncate lo_truncate64 lo_unlink lo_from_bytea lo_put lo_get lo_manage lo_oid"},
    {FunctionClass::never, "wal",
     "pg_switch_wal pg_switch_xlog pg_create_restore_point pg_backup_* pg_start_backup "
     "pg_stop_backup "
     "pg_logical_emit_message"},
    {FunctionClass::never, "replication",
     "pg_create_physical_replication_slot pg_create_logical_replication_slot "
     "pg_drop_replication_slot "
     "pg_copy_physical_replication_slot pg_copy_logical_replication_slot "
     "pg_replication_slot_advance "
     "pg_logical_slot_* pg_replication_origin_* pg_sync_replication_slots"},
    {FunctionClass::never, "server-state",
     "pg_stat_reset* pg_stat_statements_reset pg_stat_force_next_flush pg_import_system_collations "
     "binary_upgrade_* pg_nextoid pg_stop_making_pinned_objects pg_export_snapshot "
     "pg_extension_config_dump pg_restore_relation_stats pg_restore_attribute_stats pg_clear_*"},
    {FunctionClass::dynamic_sql, "dynamic-sql",
     "query_to_xml query_to_xmlschema query_to_xml_and_xmlschema ts_stat ts_rewrite crosstab "
     "crosstab2 "
     "crosstab3 crosstab4 crosstab_hash crosstabn connectby xpath_table"},
    {FunctionClass::advisory_void, "advisory-lock",
     "pg_advisory_lock pg_advisory_lock_shared pg_advisory_xact_lock pg_advisory_xact_lock_shared "
     "pg_advisory_unlock_all"},
    {FunctionClass::advisory_bool, "advisory-lock",
     "pg_try_advisory_lock pg_try_advisory_lock_shared pg_try_advisory_xact_lock "
     "pg_try_advisory_xact_lock_shared pg_advisory_unlock pg_advisory_unlock_shared"},
    {FunctionClass::notify, "notify", "pg_notify"},
    {FunctionClass::sleep, "sleep", "pg_sleep pg_sleep_for pg_sleep_until"},
    {FunctionClass::set_config, "set-config", "set_config"},
    {FunctionClass::time, "", "now transaction_timestamp statement_timestamp clock_timestamp"},
    {FunctionClass::sequence, "", "nextval currval lastval setval"},
    {FunctionClass::generates, "",
     "random random_normal setseed gen_random_uuid uuidv4 uuidv7 uuid_generate_v1 "
     "uuid_generate_v1mc "
     "uuid_generate_v4 gen_random_bytes gen_salt pgp_sym_encrypt pgp_sym_encrypt_bytea "
     "pgp_pub_encrypt "
     "pgp_pub_encrypt_bytea timeofday normal_rand gen_ulid"},
    // Pure in spite of their prefix.
    {FunctionClass::ordinary, "",
     "pg_typeof pg_size_pretty pg_size_bytes pg_lsn* pg_get_serial_sequence pg_collation_for "
     "pg_trigger_depth "
     "pg_input_is_valid pg_input_error_info pg_encoding_to_char pg_char_to_encoding "
     "pg_client_encoding "
     "pg_wal_lsn_diff pg_get_keywords pg_encoding_max_length"},
    {FunctionClass::state, "",
     "version current_query inet_client_addr inet_client_port inet_server_addr inet_server_port "
     "txid_* "
     "current_database current_catalog has_*_privilege row_security_active "
     "icu_unicode_version to_regclass to_regtype to_regproc to_regrole obj_description "
     "col_description "
     "shobj_description current_user session_user mxid_age pg_*"},
};

// Functions of extensions, whatever their schema.
constexpr std::string_view kExtensionSchemas[][2] = {
    {"cron", "scheduled-job"}, {"net", "network"},        {"http", "network"},
    {"aws_s3", "network"},     {"aws_lambda", "network"}, {"aws_commons", "network"},
};

class FunctionTable {
 public:
  FunctionTable() {
    for (const FunctionList& list : kFunctions) {
      for (std::string_view name : SplitWords(list.names)) {
        const FunctionRule rule{list.cls, list.reason};
        if (name.find('*') == std::string_view::npos) {
          exact_.try_emplace(name, rule);
        } else {
          patterns_.emplace_back(name, rule);
        }
      }
    }
  }
  FunctionRule Find(std::string_view name) const {
    if (const auto it = exact_.find(name); it != exact_.end()) return it->second;
    for (const auto& [pattern, rule] : patterns_) {
      const size_t star = pattern.find('*');
      if (name.starts_with(pattern.substr(0, star)) && name.ends_with(pattern.substr(star + 1))) {
        return rule;
      }
    }
    return {};
  }

 private:
  absl::flat_hash_map<std::string_view, FunctionRule> exact_;
  std::vector<std::pair<std::string_view, FunctionRule>> patterns_;
};

}  // namespace

FunctionRule RuleOfFunction(std::string_view schema, std::string_view name) {
  static const FunctionTable& table = *new FunctionTable;
  if (name.starts_with("dblink")) return {FunctionClass::never, "dblink"};
  if (name.starts_with("postgres_fdw_")) return {FunctionClass::never, "foreign-data"};
  for (const auto& extension : kExtensionSchemas) {
    if (schema == extension[0]) return {FunctionClass::never, extension[1]};
  }
  if (schema.empty() || schema == "pg_catalog") return table.Find(name);
  // Extensions are often put into a schema of their own ("extensions.uuid_generate_v4()").
  const FunctionRule rule = table.Find(name);
  const bool extension = name.starts_with("uuid_generate") || name.starts_with("gen_") ||
                         name.starts_with("pgp_") || name.starts_with("crosstab") ||
                         name.starts_with("pg_file_") || name.starts_with("pg_stat_statements") ||
                         name == "connectby";
  return extension ? rule : FunctionRule{};
}

// ----------------------------------------------------------------------------------- settings

SettingClass ClassOfSetting(std::string_view name) {
  static const Words& timeouts = *new Words{
      "lock_timeout",         "statement_timeout",   "idle_in_transaction_session_timeout",
      "idle_session_timeout", "transaction_timeout", "deadlock_timeout"};
  static const Words& modes =
      *new Words{"transaction_isolation",         "transaction_read_only",
                 "transaction_deferrable",        "default_transaction_isolation",
                 "default_transaction_read_only", "default_transaction_deferrable"};
  const std::string lower = Lower(name);
  if (lower == "role" || lower == "session_authorization") return SettingClass::role;
  if (timeouts.contains(lower)) return SettingClass::timeout;
  if (modes.contains(lower)) return SettingClass::transaction_mode;
  return SettingClass::session;
}

// --------------------------------------------------------------------------- system relations

bool IsSystemRelation(std::string_view schema, std::string_view name) {
  if (schema == "pg_catalog" || schema == "information_schema" || schema == "pg_toast") return true;
  if (!schema.empty() || !name.starts_with("pg_")) return false;
  // pg_class of PostgreSQL 15 to 18, without the prefix. Applications have tables of their own that
  // begin with pg_ (pg_search_documents).
  static const std::vector<std::string_view>& list = *new std::vector<std::string_view>(SplitWords(
      "aggregate am amop amproc attrdef attribute auth_members authid available_extension_versions "
      "available_extensions backend_memory_contexts cast class collation config constraint "
      "conversion cursors "
      "database db_role_setting default_acl depend description enum event_trigger extension "
      "file_settings "
      "foreign_data_wrapper foreign_server foreign_table group hba_file_rules ident_file_mappings "
      "index indexes "
      "inherits init_privs language largeobject largeobject_metadata locks matviews namespace "
      "opclass operator "
      "opfamily parameter_acl partitioned_table policies policy prepared_statements prepared_xacts "
      "proc "
      "publication publication_namespace publication_rel publication_tables range "
      "replication_origin "
      "replication_origin_status replication_slots rewrite roles rules seclabel seclabels sequence "
      "sequences "
      "settings shadow shdepend shdescription shmem_allocations shmem_allocations_numa shseclabel "
      "statistic "
      "statistic_ext statistic_ext_data stats stats_ext stats_ext_exprs subscription "
      "subscription_rel tables "
      "tablespace timezone_abbrevs timezone_names transform trigger ts_config ts_config_map "
      "ts_dict ts_parser "
      "ts_template type user user_mapping user_mappings views wait_events aios buffercache"));
  static const Words& names = *new Words(list.begin(), list.end());
  name.remove_prefix(3);
  return name.starts_with("stat_") || name.starts_with("statio_") || names.contains(name);
}

// --------------------------------------------------------------------------------- statements

namespace {

StatementRule Replay(StatementKind kind) { return {kind, ReplayRule::replay, {}}; }
StatementRule Never(StatementKind kind, std::string_view reason) {
  return {kind, ReplayRule::never, reason};
}
StatementRule NoEffect(StatementKind kind, std::string_view reason) {
  return {kind, ReplayRule::no_effect, reason};
}
StatementRule Outside(StatementKind kind) {
  return {kind, ReplayRule::outside_transaction, "no-transaction"};
}

// Objects that belong to the cluster or reach outside it, by DROP, RENAME, COMMENT and the like.
std::string_view ReasonAgainstObject(PgQuery__ObjectType type) {
  switch (type) {
    case PG_QUERY__OBJECT_TYPE__OBJECT_DATABASE:
      return "database";
    case PG_QUERY__OBJECT_TYPE__OBJECT_TABLESPACE:
      return "tablespace";
    case PG_QUERY__OBJECT_TYPE__OBJECT_ROLE:
      return "role";
    case PG_QUERY__OBJECT_TYPE__OBJECT_SUBSCRIPTION:
      return "subscription";
    case PG_QUERY__OBJECT_TYPE__OBJECT_LARGEOBJECT:
      return "large-object";
    case PG_QUERY__OBJECT_TYPE__OBJECT_PARAMETER_ACL:
      return "alter-system";
    case PG_QUERY__OBJECT_TYPE__OBJECT_FDW:
    case PG_QUERY__OBJECT_TYPE__OBJECT_FOREIGN_SERVER:
    case PG_QUERY__OBJECT_TYPE__OBJECT_FOREIGN_TABLE:
    case PG_QUERY__OBJECT_TYPE__OBJECT_USER_MAPPING:
      return "foreign-data";
    default:
      return "";
  }
}

StatementRule Ddl(PgQuery__ObjectType type) {
  const std::string_view reason = ReasonAgainstObject(type);
  return reason.empty() ? Replay(K::ddl) : Never(K::ddl, reason);
}

bool HasOption(PgQuery__Node* const* options, size_t count, std::string_view name) {
  return std::any_of(options, options + count, [&](const PgQuery__Node* node) {
    return node->node_case == PG_QUERY__NODE__NODE_DEF_ELEM && name == node->def_elem->defname;
  });
}

// The string that an option of DO or CREATE FUNCTION holds ("as", "language").
std::string_view OptionText(PgQuery__Node* const* options, size_t count, std::string_view name) {
  for (size_t i = 0; i < count; ++i) {
    const PgQuery__DefElem* option = options[i]->def_elem;
    if (options[i]->node_case != PG_QUERY__NODE__NODE_DEF_ELEM || name != option->defname) continue;
    const PgQuery__Node* value = option->arg;
    if (value != nullptr && value->node_case == PG_QUERY__NODE__NODE_LIST &&
        value->list->n_items > 0) {
      value = value->list->items[0];
    }
    return StringOf(value);
  }
  return {};
}

StatementRule RuleOfSet(const PgQuery__VariableSetStmt& set) {
  if (set.kind == PG_QUERY__VARIABLE_SET_KIND__VAR_RESET_ALL) {
    return {K::set, ReplayRule::session_role, "reset-all"};
  }
  if (set.kind == PG_QUERY__VARIABLE_SET_KIND__VAR_SET_MULTI) {
    // SET TRANSACTION, SET SESSION CHARACTERISTICS, SET TRANSACTION SNAPSHOT.
    return NoEffect(K::set, "transaction-mode");
  }
  switch (ClassOfSetting(set.name)) {
    case SettingClass::role:
      return {K::set, ReplayRule::session_role, "role"};
    case SettingClass::timeout:
      return NoEffect(K::set, "timeout");
    case SettingClass::transaction_mode:
      return NoEffect(K::set, "transaction-mode");
    case SettingClass::session:
      break;
  }
  return Replay(K::set);
}

StatementRule RuleOfCopy(const PgQuery__CopyStmt& copy) {
  const StatementKind kind = copy.is_from ? K::copy_in : K::copy_out;
  if (copy.is_program) return Never(kind, "copy-program");
  if (*copy.filename != '\0') return Never(kind, "copy-file");
  return Replay(kind);
}

// The languages and texts of code are those of code_risk.h.
StatementRule RuleOfDo(const PgQuery__DoStmt& statement) {
  const std::string_view code = OptionText(statement.args, statement.n_args, "as");
  if (code == "***") return Never(K::do_block, "secret");
  const std::string_view language = OptionText(statement.args, statement.n_args, "language");
  if (const std::string_view reason = LookAtCode(language, code).reason; !reason.empty()) {
    return Never(K::do_block, reason);
  }
  return CodeCommits(code) ? Outside(K::do_block) : Replay(K::do_block);
}

StatementRule RuleOfCreateFunction(const PgQuery__CreateFunctionStmt& create) {
  const std::string_view language = OptionText(create.options, create.n_options, "language");
  if (SameWord(language, "c") || SameWord(language, "internal")) {
    return Never(K::ddl, "c-function");
  }
  if (IsUntrustedLanguage(language)) return Never(K::ddl, "untrusted-language");
  if (OptionText(create.options, create.n_options, "as") == "***") return Never(K::ddl, "secret");
  return Replay(K::ddl);
}

StatementRule RuleOfReindex(const PgQuery__ReindexStmt& reindex) {
  const bool whole = reindex.kind == PG_QUERY__REINDEX_OBJECT_TYPE__REINDEX_OBJECT_SCHEMA ||
                     reindex.kind == PG_QUERY__REINDEX_OBJECT_TYPE__REINDEX_OBJECT_SYSTEM ||
                     reindex.kind == PG_QUERY__REINDEX_OBJECT_TYPE__REINDEX_OBJECT_DATABASE;
  if (whole || HasOption(reindex.params, reindex.n_params, "concurrently"))
    return Outside(K::maintenance);
  return Replay(K::maintenance);
}

StatementRule RuleOfAlterTable(const PgQuery__AlterTableStmt& alter) {
  for (size_t i = 0; i < alter.n_cmds; ++i) {
    if (alter.cmds[i]->node_case != PG_QUERY__NODE__NODE_ALTER_TABLE_CMD) continue;
    const PgQuery__Node* def = alter.cmds[i]->alter_table_cmd->def;
    if (def != nullptr && def->node_case == PG_QUERY__NODE__NODE_PARTITION_CMD &&
        def->partition_cmd->concurrent) {
      return Outside(K::ddl);
    }
  }
  return Ddl(alter.objtype);
}

StatementRule RuleOfComment(const PgQuery__CommentStmt& comment) {
  const std::string_view reason = ReasonAgainstObject(comment.objtype);
  if (reason.empty()) return Replay(K::ddl);
  return reason == "large-object" ? Never(K::ddl, reason) : NoEffect(K::ddl, "shared-comment");
}

StatementRule RuleOfExtension(std::string_view name) {
  return IsHarmlessExtension(name) ? Replay(K::ddl) : Never(K::ddl, "extension");
}

// What manages roles, databases, files and other servers.
StatementRule RuleOfClusterStatement(const PgQuery__Node& n) {
  switch (n.node_case) {
    case PG_QUERY__NODE__NODE_CREATE_ROLE_STMT:
    case PG_QUERY__NODE__NODE_ALTER_ROLE_STMT:
    case PG_QUERY__NODE__NODE_ALTER_ROLE_SET_STMT:
    case PG_QUERY__NODE__NODE_DROP_ROLE_STMT:
    case PG_QUERY__NODE__NODE_GRANT_ROLE_STMT:
    case PG_QUERY__NODE__NODE_DROP_OWNED_STMT:
    case PG_QUERY__NODE__NODE_REASSIGN_OWNED_STMT:
      return Never(K::ddl, "role");
    case PG_QUERY__NODE__NODE_CREATEDB_STMT:
    case PG_QUERY__NODE__NODE_DROPDB_STMT:
    case PG_QUERY__NODE__NODE_ALTER_DATABASE_STMT:
    case PG_QUERY__NODE__NODE_ALTER_DATABASE_SET_STMT:
    case PG_QUERY__NODE__NODE_ALTER_DATABASE_REFRESH_COLL_STMT:
      return Never(K::ddl, "database");
    case PG_QUERY__NODE__NODE_CREATE_TABLE_SPACE_STMT:
    case PG_QUERY__NODE__NODE_DROP_TABLE_SPACE_STMT:
    case PG_QUERY__NODE__NODE_ALTER_TABLE_SPACE_OPTIONS_STMT:
    case PG_QUERY__NODE__NODE_ALTER_TABLE_MOVE_ALL_STMT:
      return Never(K::ddl, "tablespace");
    case PG_QUERY__NODE__NODE_CREATE_SUBSCRIPTION_STMT:
    case PG_QUERY__NODE__NODE_ALTER_SUBSCRIPTION_STMT:
    case PG_QUERY__NODE__NODE_DROP_SUBSCRIPTION_STMT:
      return Never(K::ddl, "subscription");
    case PG_QUERY__NODE__NODE_CREATE_FDW_STMT:
    case PG_QUERY__NODE__NODE_ALTER_FDW_STMT:
    case PG_QUERY__NODE__NODE_CREATE_FOREIGN_SERVER_STMT:
    case PG_QUERY__NODE__NODE_ALTER_FOREIGN_SERVER_STMT:
    case PG_QUERY__NODE__NODE_CREATE_USER_MAPPING_STMT:
    case PG_QUERY__NODE__NODE_ALTER_USER_MAPPING_STMT:
    case PG_QUERY__NODE__NODE_DROP_USER_MAPPING_STMT:
    case PG_QUERY__NODE__NODE_CREATE_FOREIGN_TABLE_STMT:
    case PG_QUERY__NODE__NODE_IMPORT_FOREIGN_SCHEMA_STMT:
      return Never(K::ddl, "foreign-data");
    case PG_QUERY__NODE__NODE_ALTER_SYSTEM_STMT:
      return Never(K::other, "alter-system");
    case PG_QUERY__NODE__NODE_LOAD_STMT:
      return Never(K::other, "load-library");
    case PG_QUERY__NODE__NODE_CREATE_PLANG_STMT:
      return n.create_plang_stmt->n_plhandler > 0 ||
                     !IsHarmlessExtension(n.create_plang_stmt->plname)
                 ? Never(K::ddl, "language")
                 : Replay(K::ddl);
    case PG_QUERY__NODE__NODE_CREATE_EXTENSION_STMT:
      return RuleOfExtension(n.create_extension_stmt->extname);
    case PG_QUERY__NODE__NODE_ALTER_EXTENSION_STMT:
      return RuleOfExtension(n.alter_extension_stmt->extname);
    default:
      return Replay(K::ddl);
  }
}

// What takes an object of any type.
StatementRule RuleOfObjectStatement(const PgQuery__Node& n) {
  switch (n.node_case) {
    case PG_QUERY__NODE__NODE_DROP_STMT:
      return n.drop_stmt->concurrent ? Outside(K::ddl) : Ddl(n.drop_stmt->remove_type);
    case PG_QUERY__NODE__NODE_RENAME_STMT:
      return Ddl(n.rename_stmt->rename_type);
    case PG_QUERY__NODE__NODE_ALTER_OWNER_STMT:
      return Ddl(n.alter_owner_stmt->object_type);
    case PG_QUERY__NODE__NODE_GRANT_STMT:
      return Ddl(n.grant_stmt->objtype);
    case PG_QUERY__NODE__NODE_SEC_LABEL_STMT:
      return Ddl(n.sec_label_stmt->objtype);
    case PG_QUERY__NODE__NODE_COMMENT_STMT:
      return RuleOfComment(*n.comment_stmt);
    case PG_QUERY__NODE__NODE_ALTER_TABLE_STMT:
      return RuleOfAlterTable(*n.alter_table_stmt);
    case PG_QUERY__NODE__NODE_INDEX_STMT:
      return n.index_stmt->concurrent ? Outside(K::ddl) : Replay(K::ddl);
    case PG_QUERY__NODE__NODE_CREATE_FUNCTION_STMT:
      return RuleOfCreateFunction(*n.create_function_stmt);
    default:
      return RuleOfClusterStatement(n);
  }
}

StatementRule RuleOfMaintenance(const PgQuery__Node& n) {
  switch (n.node_case) {
    case PG_QUERY__NODE__NODE_VACUUM_STMT:
      return n.vacuum_stmt->is_vacuumcmd ? Outside(K::maintenance)
                                         : NoEffect(K::maintenance, "analyze");
    case PG_QUERY__NODE__NODE_CHECK_POINT_STMT:
      return NoEffect(K::maintenance, "checkpoint");
    case PG_QUERY__NODE__NODE_REINDEX_STMT:
      return RuleOfReindex(*n.reindex_stmt);
    case PG_QUERY__NODE__NODE_CLUSTER_STMT:
      return n.cluster_stmt->relation == nullptr ? Outside(K::maintenance) : Replay(K::maintenance);
    case PG_QUERY__NODE__NODE_REFRESH_MAT_VIEW_STMT:
      return Replay(K::maintenance);
    default:
      return RuleOfObjectStatement(n);
  }
}

}  // namespace

StatementRule RuleOfStatement(const PgQuery__Node& n) {
  switch (n.node_case) {
    case PG_QUERY__NODE__NODE_SELECT_STMT:
      return Replay(K::select);
    case PG_QUERY__NODE__NODE_INSERT_STMT:
      return Replay(K::insert);
    case PG_QUERY__NODE__NODE_UPDATE_STMT:
      return Replay(K::update);
    case PG_QUERY__NODE__NODE_DELETE_STMT:
      return Replay(K::delete_);
    case PG_QUERY__NODE__NODE_MERGE_STMT:
      return Replay(K::merge);
    case PG_QUERY__NODE__NODE_COPY_STMT:
      return RuleOfCopy(*n.copy_stmt);
    case PG_QUERY__NODE__NODE_TRUNCATE_STMT:
      return Replay(K::truncate);
    case PG_QUERY__NODE__NODE_TRANSACTION_STMT:
      return Replay(K::transaction);
    case PG_QUERY__NODE__NODE_VARIABLE_SET_STMT:
      return RuleOfSet(*n.variable_set_stmt);
    case PG_QUERY__NODE__NODE_DISCARD_STMT:
      return {K::set, ReplayRule::session_role, "discard"};
    case PG_QUERY__NODE__NODE_CONSTRAINTS_SET_STMT:
      return Replay(K::other);
    case PG_QUERY__NODE__NODE_VARIABLE_SHOW_STMT:
      return NoEffect(K::show, "show");
    case PG_QUERY__NODE__NODE_EXPLAIN_STMT:
      return NoEffect(K::show, "explain");
    case PG_QUERY__NODE__NODE_DECLARE_CURSOR_STMT:
    case PG_QUERY__NODE__NODE_FETCH_STMT:
    case PG_QUERY__NODE__NODE_CLOSE_PORTAL_STMT:
      return Replay(K::cursor);
    case PG_QUERY__NODE__NODE_PREPARE_STMT:
      return Replay(K::prepare);
    case PG_QUERY__NODE__NODE_EXECUTE_STMT:
      return Replay(K::execute);
    case PG_QUERY__NODE__NODE_DEALLOCATE_STMT:
      return Replay(K::deallocate);
    case PG_QUERY__NODE__NODE_CALL_STMT:
      return Replay(K::call);
    case PG_QUERY__NODE__NODE_DO_STMT:
      return RuleOfDo(*n.do_stmt);
    case PG_QUERY__NODE__NODE_LOCK_STMT:
      return NoEffect(K::lock, "lock");
    case PG_QUERY__NODE__NODE_NOTIFY_STMT:
    case PG_QUERY__NODE__NODE_LISTEN_STMT:
    case PG_QUERY__NODE__NODE_UNLISTEN_STMT:
      return NoEffect(K::notify, "notify");
    default:
      return RuleOfMaintenance(n);
  }
}

DefinitionKind DefinitionOf(const PgQuery__Node& n) {
  switch (n.node_case) {
    case PG_QUERY__NODE__NODE_CREATE_STMT:
    case PG_QUERY__NODE__NODE_CREATE_SCHEMA_STMT:
    case PG_QUERY__NODE__NODE_CREATE_SEQ_STMT:
    case PG_QUERY__NODE__NODE_ALTER_SEQ_STMT:
    case PG_QUERY__NODE__NODE_CREATE_FUNCTION_STMT:
    case PG_QUERY__NODE__NODE_ALTER_FUNCTION_STMT:
    case PG_QUERY__NODE__NODE_CREATE_TRIG_STMT:
    case PG_QUERY__NODE__NODE_VIEW_STMT:
    case PG_QUERY__NODE__NODE_RULE_STMT:
    case PG_QUERY__NODE__NODE_CREATE_POLICY_STMT:
    case PG_QUERY__NODE__NODE_ALTER_POLICY_STMT:
    case PG_QUERY__NODE__NODE_CREATE_ENUM_STMT:
    case PG_QUERY__NODE__NODE_ALTER_ENUM_STMT:
    case PG_QUERY__NODE__NODE_COMPOSITE_TYPE_STMT:
    case PG_QUERY__NODE__NODE_GRANT_STMT:
    case PG_QUERY__NODE__NODE_COMMENT_STMT:
    case PG_QUERY__NODE__NODE_RENAME_STMT:
    case PG_QUERY__NODE__NODE_ALTER_OWNER_STMT:
    case PG_QUERY__NODE__NODE_ALTER_OBJECT_SCHEMA_STMT:
    case PG_QUERY__NODE__NODE_ALTER_DEFAULT_PRIVILEGES_STMT:
      return DefinitionKind::named;
    case PG_QUERY__NODE__NODE_DEFINE_STMT:
    case PG_QUERY__NODE__NODE_CREATE_CAST_STMT:
    case PG_QUERY__NODE__NODE_CREATE_DOMAIN_STMT:
    case PG_QUERY__NODE__NODE_ALTER_DOMAIN_STMT:
    case PG_QUERY__NODE__NODE_CREATE_RANGE_STMT:
    case PG_QUERY__NODE__NODE_CREATE_OP_CLASS_STMT:
    case PG_QUERY__NODE__NODE_ALTER_OP_FAMILY_STMT:
    case PG_QUERY__NODE__NODE_ALTER_OPERATOR_STMT:
      return DefinitionKind::unnamed;
    case PG_QUERY__NODE__NODE_CREATE_EVENT_TRIG_STMT:
    case PG_QUERY__NODE__NODE_ALTER_EVENT_TRIG_STMT:
      return DefinitionKind::event_trigger;
    case PG_QUERY__NODE__NODE_DROP_STMT:
      return n.drop_stmt->remove_type == PG_QUERY__OBJECT_TYPE__OBJECT_EVENT_TRIGGER
                 ? DefinitionKind::event_trigger
                 : DefinitionKind::named;
    default:
      return DefinitionKind::none;
  }
}

CodeFinding CodeOf(std::string_view text, const PgQuery__Node& n) {
  if (n.node_case == PG_QUERY__NODE__NODE_DO_STMT) {
    const PgQuery__DoStmt& block = *n.do_stmt;
    return LookAtCode(OptionText(block.args, block.n_args, "language"),
                      OptionText(block.args, block.n_args, "as"));
  }
  if (DefinitionOf(n) == DefinitionKind::none) return {};
  CodeFinding finding = LookAtCode(text);
  if (n.node_case == PG_QUERY__NODE__NODE_CREATE_FUNCTION_STMT) {
    const PgQuery__CreateFunctionStmt& create = *n.create_function_stmt;
    // A body in quotes is as the parser read it.
    finding.Merge(LookAtCode(OptionText(create.options, create.n_options, "language"),
                             OptionText(create.options, create.n_options, "as")));
    finding.secdef = finding.foreign =
        finding.opaque && HasOption(create.options, create.n_options, "security");
  }
  return finding;
}

}  // namespace pgparity::shadow
