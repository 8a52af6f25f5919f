# Throw-away PostgreSQL clusters for tools/demo. Sourced behind common.sh.
# shellcheck shell=bash

# Pids of the servers that were started, by name.
declare -A CLUSTER_PID=() CLUSTER_PORT=()

# cluster_start <name> <directory>: a new cluster of user postgres, without passwords, on a free port
# of 127.0.0.1. It ends with this script, however that ends.
cluster_start() {
  local name=$1 directory=$2/$1 port
  mkdir -p "$directory"
  if [[ $(id -u) -eq 0 ]]; then chown postgres: "$directory"; fi
  port=$(free_port)
  as_server_user "$PG_BIN/initdb" -D "$directory/data" -U postgres -E UTF8 --locale=C.UTF-8 \
    --auth=trust --no-sync >"$directory/initdb.log"
  local user=()
  if [[ $(id -u) -eq 0 ]]; then user=(--reuid=postgres --regid=postgres --init-groups); fi
  setpriv "${user[@]}" --pdeathsig SIGQUIT -- "$PG_BIN/postgres" -D "$directory/data" \
    -c port="$port" -c listen_addresses=127.0.0.1 -c unix_socket_directories= \
    -c fsync=off -c full_page_writes=off -c max_connections=100 -c shared_buffers=128MB \
    -c dynamic_shared_memory_type=mmap -c cluster_name="$name" >"$directory/server.log" 2>&1 </dev/null &
  CLUSTER_PID[$name]=$!
  CLUSTER_PORT[$name]=$port
  local deadline=$((SECONDS + 60))
  until "$PG_BIN/pg_isready" -q -h 127.0.0.1 -p "$port"; do
    if ! kill -0 "${CLUSTER_PID[$name]}" 2>/dev/null || ((SECONDS > deadline)); then
      cat "$directory/server.log" >&2
      die "the $name server did not start"
    fi
    sleep 0.1
  done
}

cluster_url() { echo "postgresql://postgres@127.0.0.1:${CLUSTER_PORT[$1]}/$2"; }

# Ends all servers at once, without a shutdown checkpoint.
clusters_stop() {
  local name
  for name in "${!CLUSTER_PID[@]}"; do kill -QUIT "${CLUSTER_PID[$name]}" 2>/dev/null || true; done
  for name in "${!CLUSTER_PID[@]}"; do wait "${CLUSTER_PID[$name]}" 2>/dev/null || true; done
  CLUSTER_PID=()
}
