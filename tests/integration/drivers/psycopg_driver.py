"""What an application does with psycopg 3, as a transcript: argv[1] is the URL. The same statements
give the same transcript wherever they are sent; only what differs from run to run is left out."""
import datetime
import decimal
import sys
import threading
import time
import uuid

import psycopg
from psycopg.types.json import Jsonb

URL = sys.argv[1]
UTC = datetime.timezone.utc


def say(*parts):
    print(*[part.hex() if isinstance(part, bytes) else repr(part) for part in parts])


def section(name):
    print(f"== {name}")


def refusal(function, *arguments, **named):
    """The SQLSTATE and message with which a call fails."""
    try:
        function(*arguments, **named)
    except psycopg.Error as error:
        say(type(error).__name__, error.sqlstate, error.diag.message_primary, error.diag.message_detail)
    else:
        say("was not refused")


VALUES = dict(
    id=1, name="Zoë \\ 'quoted' \"twice\"\ttab", price=decimal.Decimal("12345678.125"),
    data=Jsonb({"a": [1, None, {"b": "ü"}], "n": 1e20}), tags=["a", None, 'with "quotes"', ""],
    raw=bytes(range(256)), token=uuid.UUID("00112233-4455-6677-8899-aabbccddeeff"),
    at=datetime.datetime(2024, 2, 29, 23, 59, 59, 999999, UTC), day=datetime.date(1, 1, 1),
    ok=True, big=-2**63, ratio=0.1)


def insert(cursor, placeholder, **changes):
    values = {**VALUES, **changes}
    names = ", ".join(values)
    marks = ", ".join(placeholder.format(name) for name in values)
    cursor.execute(f"INSERT INTO item ({names}) VALUES ({marks}) RETURNING id, price, tags", values)
    say(cursor.statusmessage, cursor.fetchall())


def parameters(connection):
    section("parameters")
    for number, placeholder in enumerate(("%({})s", "%({})t", "%({})b"), 1):
        for binary in (False, True):
            with connection.cursor(binary=binary) as cursor:
                insert(cursor, placeholder, id=number * 10 + binary)
                cursor.execute("SELECT * FROM item WHERE id = %s", (number * 10 + binary,))
                say(*cursor.fetchone())
    with connection.cursor() as cursor:
        insert(cursor, "%({})s", id=2, name=None, price=None, data=None, tags=[], raw=b"", token=None,
               at=datetime.datetime(1970, 1, 1, tzinfo=UTC), day=None, ok=None, big=0,
               ratio=float("nan"))
        say(*cursor.execute("SELECT * FROM item WHERE id = 2").fetchone())
        say(*cursor.execute("SELECT %b, %b::int[], %t", ("x", [[1, 2], [3, 4]], "y")).fetchone())
        with_client_cursor = psycopg.ClientCursor(connection)
        say(*with_client_cursor.execute("SELECT %s, %s, %s", ("it's", b"\x00\xff", None)).fetchone())
    connection.commit()


def prepared(connection):
    section("prepared")
    with connection.cursor() as cursor:
        for number in range(1, 15):  # prepared from the fifth on
            cursor.execute("SELECT id, name FROM item WHERE id <> %s ORDER BY id LIMIT 2", (number,))
            say(cursor.fetchall())
        cursor.execute("UPDATE item SET big = %s WHERE id = %s", (5, 10), prepare=True)
        say(cursor.rowcount)
        cursor.executemany("INSERT INTO numbered (v) VALUES (%s) RETURNING id",
                           [(f"many {n}",) for n in range(20)], returning=True)
        ids = []
        while True:
            ids.append(cursor.fetchone()[0])
            if not cursor.nextset():
                break
        say(ids)
    connection.commit()


def pipelines(connection):
    section("pipelines")
    with connection.pipeline() as pipeline:
        cursors = [connection.execute("SELECT %s::int * 2", (n,)) for n in range(300)]
        connection.execute("INSERT INTO numbered (v) VALUES ('in a pipeline')")
        pipeline.sync()
        say(sum(cursor.fetchone()[0] for cursor in cursors))
    connection.commit()
    try:
        with connection.pipeline():
            connection.execute("INSERT INTO numbered (v) VALUES ('goes')")
            connection.execute("SELECT 1/0")
            connection.execute("INSERT INTO numbered (v) VALUES ('aborted')")
    except psycopg.Error as error:
        say(type(error).__name__, error.sqlstate)
    connection.rollback()
    say(connection.execute("SELECT count(*) FROM numbered").fetchone())
    connection.commit()


def transactions(connection):
    section("transactions")
    try:
        with connection.transaction():
            connection.execute("INSERT INTO numbered (v) VALUES ('outer')")
            try:
                with connection.transaction():
                    connection.execute("INSERT INTO numbered (v) VALUES ('inner')")
                    raise ValueError("inner")
            except ValueError:
                say(connection.execute("SELECT v FROM numbered WHERE v IN ('outer', 'inner')").fetchall())
    finally:
        say(connection.info.transaction_status.name)
    with connection.transaction(force_rollback=True):
        connection.execute("DELETE FROM numbered")
        say(connection.execute("SELECT count(*) FROM numbered").fetchone())
    say(connection.execute("SELECT count(*) FROM numbered").fetchone())
    connection.commit()
    connection.isolation_level = psycopg.IsolationLevel.SERIALIZABLE
    say(connection.execute("SHOW transaction_isolation").fetchone())
    connection.rollback()
    connection.isolation_level = None
    connection.tpc_begin("of psycopg")
    connection.execute("INSERT INTO numbered (v) VALUES ('two phases')")
    connection.tpc_prepare()
    connection.tpc_commit()
    connection.tpc_begin("rolled back")
    connection.execute("INSERT INTO numbered (v) VALUES ('no phases')")
    connection.tpc_prepare()
    connection.tpc_rollback()


def copies(connection):
    section("copies")
    with connection.cursor() as cursor:
        with cursor.copy("COPY copied (id, a, b) FROM STDIN") as copy:
            for number in range(1000):
                copy.write_row((number, f"row\t{number}\n", decimal.Decimal(number) / 4))
        say(cursor.statusmessage)
        with cursor.copy("COPY copied (id, a, b) FROM STDIN (FORMAT binary)") as copy:
            copy.set_types(["int4", "text", "numeric"])
            for number in range(1000, 2000):
                copy.write_row((number, None, decimal.Decimal(number) / 8))
        with cursor.copy("COPY copied FROM STDIN (FORMAT csv, HEADER)") as copy:
            copy.write('id,a,b\n5000,"with, comma\nand line",1.5\n')
        refusal(bad_copy, cursor)
    connection.rollback()
    with connection.cursor() as cursor:
        with cursor.copy("COPY copied (id, a, b) FROM STDIN") as copy:
            for number in range(500):
                copy.write_row((number, f"row {number}", None))
    connection.commit()
    for form in ("text", "csv", "binary"):
        with connection.cursor() as cursor:
            with cursor.copy(f"COPY (SELECT * FROM copied ORDER BY id) TO STDOUT (FORMAT {form})") as copy:
                data = b"".join(bytes(piece) for piece in copy)
            say(form, len(data), data[:80])
    connection.commit()


def bad_copy(cursor):
    with cursor.copy("COPY copied (id, a, b) FROM STDIN") as copy:
        copy.write("1\tx\tnot a number\n")


def cursors(connection):
    section("cursors")
    with connection.cursor("named", scrollable=True) as cursor:
        cursor.execute("SELECT id FROM copied ORDER BY id")
        say(cursor.fetchmany(3))
        cursor.scroll(100)
        say(cursor.fetchone())
        cursor.scroll(0, "absolute")
        say(cursor.fetchmany(2))
        cursor.itersize = 100
        say(sum(row[0] for row in cursor))
    connection.rollback()
    held = connection.cursor("held", withhold=True)
    held.execute("SELECT id FROM copied ORDER BY id DESC")
    say(held.fetchone())
    connection.commit()
    say(held.fetchmany(2))
    held.close()
    with connection.cursor() as cursor:
        rows = [row for row in cursor.stream("SELECT id, a FROM copied ORDER BY id LIMIT 200")]
        say(len(rows), rows[-1])
    connection.commit()


def notifications(connection):
    section("notifications")
    connection.autocommit = True
    arrived = []
    connection.add_notify_handler(lambda notify: arrived.append((notify.channel, notify.payload)))
    connection.execute("LISTEN news")
    with psycopg.connect(URL, autocommit=True) as other:
        other.execute("SELECT pg_notify('news', 'from the other')")
    connection.execute("NOTIFY news, 'from itself'")
    while len(arrived) < 2:
        connection.execute("SELECT 1")  # the handler is called while something is executed
    say(sorted(arrived))
    connection.execute("LISTEN later")
    with psycopg.connect(URL, autocommit=True) as other:
        other.execute("NOTIFY later")
    waiting = connection.notifies()
    say(next(waiting).channel)
    waiting.close()
    connection.execute("UNLISTEN *")
    connection.autocommit = False


def notices(connection):
    section("notices and parameters")
    seen = []
    connection.add_notice_handler(lambda diag: seen.append((diag.severity, diag.message_primary)))
    connection.execute("DO $$ BEGIN RAISE NOTICE 'noted %', 1; RAISE WARNING 'warned'; END $$")
    say(seen)
    connection.execute("SET TimeZone = 'Asia/Tokyo'")
    say(connection.info.parameter_status("TimeZone"), connection.info.timezone.key)
    connection.execute("SET client_encoding = latin1")
    say(connection.info.encoding, connection.execute("SELECT 'ö'").fetchone())
    connection.rollback()
    say(connection.info.encoding)


def errors(connection):
    section("errors")
    for statement in ("SELECT 1/0", "SELECT * FROM missing", "syntax error",
                      "INSERT INTO item (id) VALUES (2)", "SELECT 'x'::int"):
        refusal(connection.execute, statement)
        refusal(connection.execute, "SELECT 1")  # the transaction has failed
        connection.rollback()
    refusal(connection.execute, "SELECT %s::int", ("not a number",))
    connection.rollback()


def cancelled(connection):
    section("cancel")

    def wait_and_cancel():
        with psycopg.connect(URL, autocommit=True) as other:
            while not other.execute("SELECT count(*) FROM pg_stat_activity WHERE pid = %s AND "
                                    "state = 'active' AND query LIKE 'SELECT pg_sleep%%'",
                                    (connection.info.backend_pid,)).fetchone()[0]:
                time.sleep(0.005)
        connection.cancel()

    thread = threading.Thread(target=wait_and_cancel)
    thread.start()
    refusal(connection.execute, "SELECT pg_sleep(600)")
    thread.join()
    connection.rollback()
    say(connection.execute("SELECT 'goes on'").fetchone())
    connection.rollback()


def main():
    with psycopg.connect(URL) as connection:
        say(connection.info.dsn.split(" ")[0] != "", connection.info.server_version)
        for part in (parameters, prepared, pipelines, transactions, copies, cursors, notifications,
                     notices, errors, cancelled):
            part(connection)
    try:
        psycopg.connect(URL, dbname="no_such_database")
    except psycopg.OperationalError as error:
        say(str(error).rpartition("FATAL")[2])  # without host and port


main()
