// What an application does with node-postgres, as a transcript: argv[2] is the URL.
'use strict';
const { pipeline } = require('node:stream/promises');
const { Readable } = require('node:stream');
const { Client, Pool, types } = require('pg');
const Cursor = require('pg-cursor');
const copy = require('pg-copy-streams');

const url = process.argv[2];
// As text: a Date would drop microseconds.
for (const type of [1082, 1114, 1184]) types.setTypeParser(type, (text) => text);

function say(...parts) {
  console.log(...parts.map((part) => (Buffer.isBuffer(part) ? part.toString('hex') : JSON.stringify(part))));
}

function section(name) {
  console.log(`== ${name}`);
}

async function refusal(promise) {
  try {
    await promise;
    say('was not refused');
  } catch (error) {
    say(error.code, error.message, error.detail);
  }
}

const columns = 'id, name, price, data, tags, raw, token, at, day, ok, big, ratio';
const insert = `INSERT INTO item (${columns}) VALUES ` +
  '($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12) RETURNING *';

function values(id) {
  return [id, 'Zoë \\ \'quoted\'\ttab', '12345678.125', { a: [1, null, 'ü'] }, ['a', null, 'with "quotes"', ''],
    Buffer.from([0, 1, 127, 128, 255]), '00112233-4455-6677-8899-aabbccddeeff',
    '2024-02-29 23:59:59.999999+00', '0001-01-01', true, '-9223372036854775808', 0.1];
}

async function parameters(client) {
  section('parameters');
  say((await client.query(insert, values(1))).rows);
  say((await client.query(insert, [2, ...new Array(11).fill(null)])).rows);
  say((await client.query({ text: 'SELECT id, ok, big, ratio FROM item ORDER BY id', binary: true })).rows);
  say((await client.query('SELECT $1::int[] AS a, $2::jsonb AS j', [[[1, 2], [3, 4]], '{"k":1}'])).rows);
  say((await client.query({ text: 'SELECT id, name FROM item ORDER BY id', rowMode: 'array' })).rows);
}

async function prepared(client) {
  section('prepared');
  for (let i = 0; i < 10; i += 1) {
    const result = await client.query({
      name: 'by id', text: 'SELECT id, tags FROM item WHERE id > $1 ORDER BY id', values: [i - 5],
    });
    say(result.rows, result.command, result.rowCount);
  }
  const ids = [];
  for (let i = 0; i < 10; i += 1) {
    const result = await client.query({
      name: 'number', text: 'INSERT INTO numbered (v) VALUES ($1) RETURNING id', values: [`node ${i}`],
    });
    ids.push(result.rows[0].id);
  }
  say(ids);
  // Queued at once, answered in order.
  const all = await Promise.all(Array.from({ length: 100 }, (_, i) => client.query('SELECT $1::int AS n', [i])));
  say(all.reduce((sum, result) => sum + result.rows[0].n, 0));
}

async function transactions(client) {
  section('transactions');
  await client.query('BEGIN');
  await client.query("INSERT INTO numbered (v) VALUES ('outer')");
  await client.query('SAVEPOINT within');
  await client.query("INSERT INTO numbered (v) VALUES ('inner')");
  await client.query('ROLLBACK TO within');
  await client.query('COMMIT');
  await client.query('BEGIN ISOLATION LEVEL SERIALIZABLE');
  await client.query('DELETE FROM numbered');
  await client.query('ROLLBACK');
  const several = await client.query("SELECT 1 AS a; INSERT INTO numbered (v) VALUES ('script'); SELECT count(*) FROM numbered");
  say(several.map((result) => [result.command, result.rowCount, result.rows]));
}

async function copies(client) {
  section('copies');
  const rows = Array.from({ length: 1000 }, (_, i) => `${i}\trow ${i}\t${i / 4}\n`);
  await pipeline(Readable.from(rows), client.query(copy.from('COPY copied (id, a, b) FROM STDIN')));
  await pipeline(Readable.from(['5000,"a, b",1.5\n']), client.query(copy.from('COPY copied FROM STDIN (FORMAT csv)')));
  await refusal(pipeline(Readable.from(['1\tx\tbad\n']), client.query(copy.from('COPY copied FROM STDIN'))));
  for (const form of ['text', 'csv', 'binary']) {
    const stream = client.query(copy.to(`COPY (SELECT * FROM copied ORDER BY id) TO STDOUT (FORMAT ${form})`));
    const pieces = [];
    for await (const piece of stream) pieces.push(piece);
    const data = Buffer.concat(pieces);
    say(form, data.length, data.subarray(0, 80));
  }
}

async function cursors(client) {
  section('cursors');
  const cursor = client.query(new Cursor('SELECT id FROM copied WHERE id > $1 ORDER BY id', [10]));
  say(await cursor.read(3));
  say((await cursor.read(500)).length);
  await cursor.close();  // with rows left
  const rest = client.query(new Cursor('SELECT id FROM copied ORDER BY id LIMIT 7'));
  say((await rest.read(100)).length, (await rest.read(100)).length);
  await rest.close();
  await client.query('BEGIN');
  await client.query('DECLARE held CURSOR WITH HOLD FOR SELECT id FROM copied ORDER BY id');
  say((await client.query('FETCH 2 FROM held')).rows);
  await client.query('COMMIT');
  say((await client.query('FETCH 2 FROM held')).rows);
  await client.query('CLOSE held');
}

async function notifications(client) {
  section('notifications');
  const arrived = [];
  let wake = () => {};
  client.on('notification', ({ channel, payload }) => {
    arrived.push([channel, payload]);
    wake();
  });
  await client.query('LISTEN news');
  const other = new Client({ connectionString: url });
  await other.connect();
  await other.query("NOTIFY news, 'from the other'");
  await other.end();
  await client.query("SELECT pg_notify('news', 'from itself')");
  while (arrived.length < 2) await new Promise((resolve) => { wake = resolve; });
  say(arrived.sort());
}

async function notices(client) {
  section('notices');
  const seen = [];
  client.on('notice', (notice) => seen.push([notice.severity, notice.message]));
  await client.query("DO $$ BEGIN RAISE NOTICE 'noted %', 1; RAISE WARNING 'warned'; END $$");
  say(seen);
}

async function errors(client) {
  section('errors');
  for (const statement of ['SELECT 1/0', 'SELECT * FROM missing', 'syntax error',
    'INSERT INTO item (id) VALUES (1)', "SELECT 'x'::int"]) {
    await refusal(client.query(statement));
    await refusal(client.query({ text: statement, values: [] }));
  }
  await refusal(client.query('SELECT $1::int', ['not a number']));
}

async function cancelled(client) {
  section('cancel');
  const query = new (require('pg').Query)('SELECT pg_sleep(600)');
  const ended = new Promise((resolve) => {
    query.on('error', (error) => resolve(error.code));
    query.on('end', () => resolve('was not cancelled'));
  });
  client.query(query);
  const other = new Client({ connectionString: url });
  await other.connect();
  for (;;) {
    const result = await other.query('SELECT count(*)::int AS n FROM pg_stat_activity WHERE pid = $1 AND ' +
      "state = 'active' AND query LIKE 'SELECT pg_sleep%'", [client.processID]);
    if (result.rows[0].n === 1) break;
  }
  await other.end();
  new Client({ connectionString: url }).cancel(client, query);
  say(await ended);
  say((await client.query("SELECT 'goes on' AS v")).rows);
}

async function pools() {
  section('pool');
  const pool = new Pool({ connectionString: url, max: 5 });
  const results = await Promise.all(Array.from({ length: 50 }, (_, i) => pool.query('SELECT $1::int AS n', [i])));
  say(results.map((result) => result.rows[0].n));
  await pool.end();
}

async function main() {
  const client = new Client({ connectionString: url });
  await client.connect();
  for (const part of [parameters, prepared, transactions, copies, cursors, notifications, notices,
    errors, cancelled]) {
    await part(client);
  }
  await client.end();
  await pools();
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
