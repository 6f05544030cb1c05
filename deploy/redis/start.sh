# Starts Redis with its password. It stands in a file of this container's memory, because an argument could
# be seen by anyone who lists processes.
set -eu
umask 077

# Half of the container's memory is for records, since a rewrite of the append-only file may copy what changes meanwhile.
# A container without a bound has cgroups that say "max", or a number of its own beyond all memory.
memory=$(cat /sys/fs/cgroup/memory.max /sys/fs/cgroup/memory/memory.limit_in_bytes 2>/dev/null | head -n 1)
case $memory in
  '' | max | ??????????????*) echo "the container has no mem_limit, which bounds what Redis may hold" >&2; exit 1 ;;
esac

{
  cat /etc/holdfast/redis.conf
  printf 'maxmemory %s\n' "$((memory / 2))"
  printf 'appendfsync %s\n' "$FSYNC"
  printf 'requirepass %s\n' "$(cat /run/holdfast/redis-password)"
} >/tmp/redis.conf
exec redis-server /tmp/redis.conf
