"""What an application does with asyncpg, as a transcript: argv[1] is the URL. asyncpg speaks the
extended protocol with binary parameters and results throughout."""
import asyncio
import datetime
import decimal
import io
import sys
import uuid

import asyncpg

URL = sys.argv[1]
UTC = datetime.timezone.utc


def say(*parts):
    print(*[part.hex() if isinstance(part, bytes) else repr(part) for part in parts])


def section(name):
    print(f"== {name}")


async def refusal(awaitable):
    try:
        await awaitable
    except asyncpg.PostgresError as error:
        say(type(error).__name__, error.sqlstate, str(error))
    else:
        say("was not refused")


COLUMNS = "id, name, price, data, tags, raw, token, at, day, ok, big, ratio"
INSERT = f"INSERT INTO item ({COLUMNS}) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)"


def values(number):
    return (number, "Zoë \\ 'quoted'\ttab", decimal.Decimal("12345678.125"), '{"a": [1, null, "ü"]}',
            ["a", None, 'with "quotes"', ""], bytes(range(256)),
            uuid.UUID("00112233-4455-6677-8899-aabbccddeeff"),
            datetime.datetime(2024, 2, 29, 23, 59, 59, 999999, UTC), datetime.date(1, 1, 1), True,
            -2**63, 0.1)


async def parameters(connection):
    section("parameters")
    for number in (1, 2):
        row = await connection.fetchrow(INSERT + " RETURNING *", *values(number))
        say(*row)
    await connection.executemany(INSERT, [values(number) for number in range(10, 30)])
    say(await connection.execute(INSERT, 3, *[None] * 11))
    say(*await connection.fetchrow("SELECT * FROM item WHERE id = $1", 3))
    say(await connection.fetchval("SELECT sum(id) FROM item WHERE id = ANY($1::int[])", [1, 10, 11]))
    say(await connection.fetchval("SELECT $1::int[]", [[1, 2], [3, None]]))
    say(*await connection.fetchrow("SELECT $1::interval, $2::time, $3::numeric[], $4::jsonb, $5::inet",
                                   datetime.timedelta(days=3, seconds=5), datetime.time(1, 2, 3, 4),
                                   [decimal.Decimal("NaN"), decimal.Decimal("-0.001")], "[]",
                                   "10.0.0.0/8"))


async def prepared(connection):
    section("prepared")
    statement = await connection.prepare("SELECT id, tags FROM item WHERE id > $1 ORDER BY id LIMIT $2")
    say([a.name for a in statement.get_parameters()], [a.name for a in statement.get_attributes()])
    for number in range(10):
        say([tuple(row) for row in await statement.fetch(number, 2)])
    update = await connection.prepare("UPDATE item SET big = $1 WHERE id = $2 RETURNING big")
    say(await update.fetchval(7, 1), update.get_statusmsg())
    for number in range(10):
        say(await connection.fetchval("INSERT INTO numbered (v) VALUES ($1) RETURNING id", str(number)))
    await connection.reload_schema_state()


async def transactions(connection):
    section("transactions")
    async with connection.transaction():
        await connection.execute("INSERT INTO numbered (v) VALUES ('outer')")
        try:
            async with connection.transaction():
                await connection.execute("INSERT INTO numbered (v) VALUES ('inner')")
                raise ValueError
        except ValueError:
            pass
        say(await connection.fetchval("SELECT count(*) FROM numbered WHERE v IN ('outer', 'inner')"))
    transaction = connection.transaction(isolation="repeatable_read")
    await transaction.start()
    await connection.execute("DELETE FROM numbered")
    await transaction.rollback()
    say(await connection.fetchval("SELECT count(*) FROM numbered"))
    say(await connection.execute("BEGIN; INSERT INTO numbered (v) VALUES ('script'); COMMIT"))


async def copies(connection):
    section("copies")
    say(await connection.copy_records_to_table(
        "copied", records=[(n, f"row\t{n}\n", decimal.Decimal(n) / 4) for n in range(1000)]))
    say(await connection.copy_to_table("copied", source=io.BytesIO(b'5000,"a, b",1.5\n'), format="csv"))
    await refusal(connection.copy_to_table("copied", source=io.BytesIO(b"1\tx\tbad\n")))
    for form in ("text", "csv", "binary"):
        out = io.BytesIO()
        say(await connection.copy_from_query("SELECT * FROM copied ORDER BY id", output=out, format=form))
        say(form, len(out.getvalue()), out.getvalue()[:80])


async def cursors(connection):
    section("cursors")
    async with connection.transaction():
        cursor = await connection.cursor("SELECT id FROM copied ORDER BY id")
        say([row["id"] for row in await cursor.fetch(3)])
        say(await cursor.forward(100))
        say((await cursor.fetchrow())["id"])
        total = 0
        async for row in connection.cursor("SELECT id FROM copied WHERE id > $1", 10, prefetch=37):
            total += row["id"]
        say(total)


async def notifications(connection):
    section("notifications")
    arrived = asyncio.Queue()
    await connection.add_listener("news", lambda _, pid, channel, payload: arrived.put_nowait((channel, payload)))
    other = await asyncpg.connect(URL)
    await other.execute("NOTIFY news, 'from the other'")
    await other.close()
    say(await asyncio.wait_for(arrived.get(), 60))
    await connection.execute("SELECT pg_notify('news', 'from itself')")
    say(await asyncio.wait_for(arrived.get(), 60))
    await connection.reset()


async def notices(connection):
    section("notices and parameters")
    seen = []
    connection.add_log_listener(lambda _, message: seen.append((message.severity, message.message)))
    await connection.execute("DO $$ BEGIN RAISE NOTICE 'noted %', 1; RAISE WARNING 'warned'; END $$")
    await asyncio.sleep(0)
    say(seen)
    await connection.execute("SET TimeZone = 'Asia/Tokyo'")
    say(connection.get_settings().TimeZone)


async def errors(connection):
    section("errors")
    for statement in ("SELECT 1/0", "SELECT * FROM missing", "syntax error",
                      "INSERT INTO item (id) VALUES (1)", "SELECT 'x'::int"):
        await refusal(connection.execute(statement))
        await refusal(connection.fetch(statement))
    async def failing():
        async with connection.transaction():
            await connection.execute("INSERT INTO numbered (v) VALUES ('lost')")
            await connection.fetch("SELECT 1/0")
    await refusal(failing())


async def cancelled(connection):
    section("cancel")
    pid = connection.get_server_pid()
    task = asyncio.ensure_future(connection.fetch("SELECT pg_sleep(600)"))
    other = await asyncpg.connect(URL)
    while not await other.fetchval("SELECT count(*) FROM pg_stat_activity WHERE pid = $1 AND state = "
                                   "'active' AND query LIKE 'SELECT pg_sleep%'", pid):
        pass
    await other.close()
    task.cancel()  # asyncpg sends a CancelRequest of its own
    try:
        await task
    except asyncio.CancelledError:
        say("cancelled")
    say(await connection.fetchval("SELECT 'goes on'"))


async def main():
    connection = await asyncpg.connect(URL)
    say(connection.get_server_version()[0])
    for part in (parameters, prepared, transactions, copies, cursors, notifications, notices, errors,
                 cancelled):
        await part(connection)
    await connection.close()


asyncio.run(main())
