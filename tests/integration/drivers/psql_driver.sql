-- What an operator does with psql, as a transcript (psql -X -a -f); psql stands for libpq here.
\pset null '(null)'
\set VERBOSITY verbose
\set SHOW_CONTEXT always
\echo == parameters
INSERT INTO item VALUES (1, E'Zo\u00eb ''quoted''\ttab', 12345678.125, '{"a": [1, null]}',
  ARRAY['a', NULL, 'with "quotes"'], '\x00ff', '00112233-4455-6677-8899-aabbccddeeff',
  '2024-02-29 23:59:59.999999+00', '0001-01-01', true, -9223372036854775808, 0.1) RETURNING *;
INSERT INTO item (id) VALUES (2);
SELECT * FROM item ORDER BY id;
\x
SELECT * FROM item ORDER BY id;
\x
\gdesc
SELECT id AS the_id FROM item ORDER BY id LIMIT 1 \gset
\echo :the_id
SELECT 'SELECT ' || i || ' AS generated' FROM generate_series(1, 3) AS i \gexec
\echo == prepared
PREPARE by_id(int) AS SELECT id, name FROM item WHERE id = $1;
EXECUTE by_id(1);
EXECUTE by_id(77);
DEALLOCATE by_id;
\echo == transactions
BEGIN;
INSERT INTO numbered (v) VALUES ('outer') RETURNING id;
SAVEPOINT s;
INSERT INTO numbered (v) VALUES ('inner') RETURNING id;
SELECT 1/0;
SELECT 1;
ROLLBACK TO s;
COMMIT AND CHAIN;
DELETE FROM numbered;
ROLLBACK;
SELECT count(*) FROM numbered;
\set AUTOCOMMIT off
INSERT INTO numbered (v) VALUES ('without autocommit');
COMMIT;
\set AUTOCOMMIT on
SELECT 1 AS a\; INSERT INTO numbered (v) VALUES ('script')\; SELECT 2 AS b;
\set ON_ERROR_ROLLBACK on
BEGIN;
SELECT 1/0;
INSERT INTO numbered (v) VALUES ('after an error');
COMMIT;
\set ON_ERROR_ROLLBACK off
\echo == copies
COPY copied FROM STDIN;
1	text	1.5
2	\N	\N
\.
\copy copied from program 'printf "3,\"csv, quoted\",2.5\n4,,\n"' csv
\copy (SELECT * FROM copied ORDER BY id) to stdout
\copy (SELECT * FROM copied ORDER BY id) to stdout csv header
\copy (SELECT * FROM copied ORDER BY id) to program 'od -An -tx1' binary
COPY copied FROM STDIN;
5	text	not a number
\.
COPY missing TO STDOUT;
\echo == cursors
BEGIN;
DECLARE c SCROLL CURSOR FOR SELECT * FROM generate_series(1, 100) AS i;
FETCH 3 FROM c;
MOVE 50 FROM c;
FETCH BACKWARD 2 FROM c;
DECLARE h CURSOR WITH HOLD FOR SELECT id FROM copied ORDER BY id;
COMMIT;
FETCH 2 FROM h;
CLOSE h;
\set FETCH_COUNT 7
SELECT i, repeat('x', i) FROM generate_series(1, 20) AS i;
\set FETCH_COUNT 0
\echo == notices and parameters
DO $$ BEGIN RAISE NOTICE 'noted'; RAISE WARNING 'warned' USING HINT = 'a hint'; END $$;
SET TimeZone = 'Asia/Tokyo';
SELECT at FROM item WHERE id = 1;
SET client_encoding = 'LATIN1';
\encoding
SET client_encoding = 'UTF8';
LISTEN news;
NOTIFY news, 'from itself';
UNLISTEN *;
\echo == errors
SELECT * FROM missing;
syntax error;
INSERT INTO item (id) VALUES (1);
\errverbose
SELECT 'x'::int;
BEGIN;
SET LOCAL statement_timeout = 1;
SELECT pg_sleep(600);
ROLLBACK;
\c
SELECT 'connected again';
