// Catalog::Load against a real server.
#include "shadow/catalog.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <cstdlib>

#include "tests/support/rewrite_harness.h"

namespace pgparity::shadow {
namespace {

using support::RewritePair;
using ::testing::ElementsAre;
using ::testing::UnorderedElementsAre;

class CatalogOnServer : public ::testing::Test {
 protected:
  void SetUp() override {
    const char* url = std::getenv("PGPARITY_TEST_PRIMARY_URL");
    if (url == nullptr) GTEST_SKIP() << "PGPARITY_TEST_PRIMARY_URL is not set: no server to run on";
    pair_.emplace(url, "catalog");
  }
  void Sql(const std::string& sql) {
    const support::QueryResult result = pair_->primary().Query(sql);
    ASSERT_TRUE(result.ok) << sql << ": " << result.message;
  }
  const Catalog& Load() {
    auto catalog = Catalog::Load(pair_->primary().get());
    EXPECT_TRUE(catalog.ok()) << catalog.status().ToString();
    catalog_ = *catalog;
    return *catalog_;
  }
  const CatalogTable& Table(const std::string& name) {
    const CatalogTable* table = catalog_->FindTable("", name, {"public"});
    EXPECT_NE(table, nullptr) << name;
    static const CatalogTable none;
    return table == nullptr ? none : *table;
  }
  const CatalogColumn& Column(const std::string& table, const std::string& column) {
    const CatalogColumn* found = Table(table).FindColumn(column);
    EXPECT_NE(found, nullptr) << table << "." << column;
    static const CatalogColumn none;
    return found == nullptr ? none : *found;
  }

  std::optional<RewritePair> pair_;
  std::shared_ptr<const Catalog> catalog_;
};

TEST_F(CatalogOnServer, ColumnsDefaultsAndSequences) {
  Sql("CREATE SCHEMA \"My Schema\"; CREATE SEQUENCE \"My Schema\".plain");
  Sql("CREATE DOMAIN stamped AS timestamptz DEFAULT now()");
  Sql("CREATE FUNCTION now_ish() RETURNS timestamptz LANGUAGE sql VOLATILE AS 'SELECT "
      "clock_timestamp()'");
  Sql("CREATE TABLE t (id bigint GENERATED ALWAYS AS IDENTITY, s serial, p int DEFAULT "
      "nextval('\"My Schema\".plain'),"
      " gone int, c timestamptz NOT NULL DEFAULT now(), d stamped, f timestamptz DEFAULT "
      "now_ish(), u uuid DEFAULT gen_random_uuid(),"
      " g int GENERATED ALWAYS AS (1 + 1) STORED, k text DEFAULT 'x', n numeric(10,2), PRIMARY KEY "
      "(s, id), UNIQUE (u))");
  Sql("ALTER TABLE t DROP COLUMN gone");
  Load();
  EXPECT_EQ(Table("t").QualifiedName(), "public.t");
  EXPECT_TRUE(Column("t", "id").identity_always);
  EXPECT_EQ(Column("t", "id").default_kind, DefaultKind::sequence);
  EXPECT_EQ(Column("t", "id").sequence, "public.t_id_seq");
  EXPECT_EQ(Column("t", "s").sequence, "public.t_s_seq");
  EXPECT_EQ(Column("t", "p").sequence, "\"My Schema\".plain");
  EXPECT_EQ(Column("t", "p").default_kind, DefaultKind::sequence);
  EXPECT_EQ(Column("t", "c").default_kind, DefaultKind::now);
  EXPECT_TRUE(Column("t", "c").not_null);
  EXPECT_EQ(Column("t", "c").attribute, 5);  // behind the column that is gone
  EXPECT_EQ(Column("t", "d").default_kind, DefaultKind::now);
  EXPECT_EQ(Column("t", "f").default_kind, DefaultKind::volatile_value);
  EXPECT_EQ(Column("t", "u").default_kind, DefaultKind::volatile_value);
  EXPECT_EQ(Column("t", "k").default_kind, DefaultKind::constant);
  EXPECT_EQ(Column("t", "g").default_kind, DefaultKind::none);
  EXPECT_TRUE(Column("t", "g").generated_stored);
  EXPECT_EQ(Column("t", "n").type_name, "numeric(10,2)");
  EXPECT_EQ(Table("t").FindColumn("gone"), nullptr);
  EXPECT_THAT(Table("t").primary_key, ElementsAre(2, 1));
  EXPECT_THAT(Table("t").unique_keys, ElementsAre(ElementsAre(8)));
  EXPECT_EQ(catalog_->FindSequence("t_s_seq", {"public"}), "public.t_s_seq");
  EXPECT_EQ(catalog_->FindSequence("\"My Schema\".PLAIN", {}), "\"My Schema\".plain");
}

TEST_F(CatalogOnServer, TablesOfAllKindsAndWhatTheyHangOn) {
  Sql("CREATE TABLE parent (id int PRIMARY KEY, a int, EXCLUDE USING btree (a WITH =))");
  Sql("CREATE TABLE child (id int REFERENCES parent ON DELETE CASCADE ON UPDATE SET NULL, x int "
      "UNIQUE)");
  Sql("CREATE UNIQUE INDEX ON child (x) WHERE x > 5");
  Sql("CREATE VIEW v AS SELECT p.id FROM parent p JOIN child c ON true; CREATE VIEW vv AS SELECT * "
      "FROM v");
  Sql("CREATE MATERIALIZED VIEW m AS SELECT * FROM parent");
  Sql("CREATE TABLE parted (id int PRIMARY KEY) PARTITION BY RANGE (id)");
  Sql("CREATE TABLE parted_1 PARTITION OF parted FOR VALUES FROM (0) TO (10)");
  Sql("CREATE TEMP TABLE transient (a int)");
  Sql("ALTER TABLE parent ENABLE ROW LEVEL SECURITY");
  Sql("CREATE RULE r AS ON INSERT TO child DO ALSO NOTHING");
  Load();
  EXPECT_TRUE(Table("parent").other_unique);
  EXPECT_TRUE(Table("parent").row_security);
  ASSERT_EQ(Table("child").foreign_keys.size(), 1u);
  EXPECT_EQ(Table("child").foreign_keys[0].on_delete, 'c');
  EXPECT_EQ(Table("child").foreign_keys[0].on_update, 'n');
  EXPECT_THAT(Table("child").foreign_keys[0].columns, ElementsAre(1));
  EXPECT_THAT(Table("child").references, ElementsAre(Table("parent").oid));
  EXPECT_THAT(catalog_->FindReferencing(Table("parent").oid), ElementsAre(&Table("child")));
  EXPECT_TRUE(Table("child").has_rules);
  EXPECT_FALSE(Table("parent").has_rules);
  EXPECT_THAT(Table("child").unique_keys, ElementsAre(ElementsAre(2)));
  EXPECT_EQ(Table("v").kind, 'v');
  EXPECT_FALSE(Table("v").has_rules);
  EXPECT_THAT(Table("v").view_of, UnorderedElementsAre(Table("parent").oid, Table("child").oid));
  EXPECT_THAT(Table("vv").view_of, ElementsAre(Table("v").oid));
  EXPECT_THAT(Table("m").view_of, ElementsAre(Table("parent").oid));
  EXPECT_EQ(Table("parted_1").parent, Table("parted").oid);
  EXPECT_TRUE(Table("parted").has_children);
  EXPECT_EQ(catalog_->FindTable("", "transient", {"public", "pg_temp"}), nullptr);
  EXPECT_EQ(catalog_->FindTable("pg_catalog", "pg_class", {}), nullptr);
}

TEST_F(CatalogOnServer, TriggersThatFillColumnsWithTheTime) {
  Sql("CREATE TABLE t (a int, updated_at timestamptz, \"Touched\" timestamptz, other timestamptz)");
  Sql("CREATE TABLE plain (a int)");
  Sql("CREATE FUNCTION touch() RETURNS trigger LANGUAGE plpgsql AS"
      " $$BEGIN NEW.updated_at := now(); new . \"Touched\" = CURRENT_TIMESTAMP; RETURN NEW; END$$");
  Sql("CREATE FUNCTION audit() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN NEW.other := OLD.other; "
      "RETURN NEW; END$$");
  Sql("CREATE TRIGGER a BEFORE UPDATE ON t FOR EACH ROW EXECUTE FUNCTION touch()");
  Sql("CREATE TRIGGER b BEFORE UPDATE ON t FOR EACH ROW EXECUTE FUNCTION audit()");
  Sql("CREATE TRIGGER c BEFORE UPDATE ON plain FOR EACH ROW EXECUTE FUNCTION touch()");
  Sql("ALTER TABLE plain DISABLE TRIGGER c");
  Load();
  EXPECT_TRUE(Table("t").has_triggers);
  EXPECT_FALSE(Table("plain").has_triggers);
  EXPECT_TRUE(Column("t", "updated_at").time_by_trigger);
  EXPECT_TRUE(Column("t", "Touched").time_by_trigger);
  EXPECT_FALSE(Column("t", "other").time_by_trigger);
}

TEST_F(CatalogOnServer, TypesAndFunctions) {
  Sql("CREATE TYPE mood AS ENUM ('a'); CREATE DOMAIN pos AS int CHECK (VALUE > 0); CREATE TYPE "
      "pair AS (a int, b mood)");
  Sql("CREATE TYPE span AS RANGE (subtype = float8)");
  Sql("CREATE FUNCTION f(int) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT 1'; CREATE FUNCTION "
      "f(text) RETURNS int LANGUAGE sql AS 'SELECT 1'");
  Load();
  using protocol::TypeKind;
  const auto kind = [&](const char* name) {
    return catalog_->Resolve(catalog_->FindType(name)).kind;
  };
  EXPECT_EQ(kind("public.mood"), TypeKind::enumeration);
  EXPECT_EQ(kind("public._mood"), TypeKind::array);
  EXPECT_EQ(catalog_->Resolve(catalog_->FindType("public._mood")).base,
            catalog_->FindType("public.mood"));
  EXPECT_EQ(kind("public.pos"), TypeKind::domain);
  EXPECT_EQ(catalog_->Resolve(catalog_->FindType("public.pos")).base, protocol::oid::kInt4);
  EXPECT_EQ(kind("public.pair"), TypeKind::composite);
  EXPECT_EQ(kind("public.span"), TypeKind::range);
  EXPECT_EQ(catalog_->Resolve(catalog_->FindType("public.span")).base, protocol::oid::kFloat8);
  EXPECT_EQ(catalog_->FindType("public.none"), 0u);
  EXPECT_EQ(catalog_->Resolve(protocol::oid::kInt4).kind, TypeKind::base);
  EXPECT_EQ(catalog_->FunctionVolatility("public", "f"), 'v');
  EXPECT_EQ(catalog_->FunctionVolatility("", "f"), 'v');
  EXPECT_EQ(catalog_->FunctionVolatility("", "lower"), 'i');
  EXPECT_EQ(catalog_->FunctionVolatility("pg_catalog", "random"), 'v');
  EXPECT_EQ(catalog_->FunctionVolatility("", "no_such"), std::nullopt);
}

TEST_F(CatalogOnServer, NeedsNoPrivilegeAndIsNotFooledBySearchPath) {
  Sql("CREATE TABLE t (id serial)");
  Sql("CREATE SCHEMA evil; CREATE VIEW evil.pg_class AS SELECT 1 AS oid");
  const std::string role = "pgparity_catalog_reader_" + std::to_string(getpid());
  Sql("CREATE ROLE " + role + " NOLOGIN");
  Sql("SET ROLE " + role + "; SET search_path = evil, pg_catalog");
  Load();
  EXPECT_EQ(Column("t", "id").default_kind, DefaultKind::sequence);
  // The session is as it was.
  EXPECT_EQ(pair_->primary().Query("SHOW search_path").Scalar(), "evil, pg_catalog");
  Sql("RESET ROLE; DROP ROLE " + role);
}

TEST_F(CatalogOnServer, FailsInsideAFailedTransactionAndSaysSo) {
  Sql("BEGIN");
  pair_->primary().Query("nonsense");
  EXPECT_FALSE(Catalog::Load(pair_->primary().get()).ok());
}

TEST_F(CatalogOnServer, AThousandTables) {
  Sql("DO $$BEGIN FOR i IN 1..1000 LOOP EXECUTE format('CREATE TABLE t%s (id bigserial PRIMARY "
      "KEY, a text, b int DEFAULT 0,"
      " c timestamptz DEFAULT now(), d uuid DEFAULT gen_random_uuid(), e jsonb, UNIQUE (a))', i); "
      "END LOOP; END$$");
  const auto begin = std::chrono::steady_clock::now();
  EXPECT_EQ(Load().tables().size(), 1000u);
  const auto took = std::chrono::duration_cast<std::chrono::milliseconds>(
      std::chrono::steady_clock::now() - begin);
  RecordProperty("milliseconds", static_cast<int>(took.count()));
  std::printf("1,000 tables in %d ms\n", static_cast<int>(took.count()));
  EXPECT_EQ(Column("t777", "id").sequence, "public.t777_id_seq");
}

}  // namespace
}  // namespace pgparity::shadow
