/* SPDX-License-Identifier: Apache-2.0 */
/*
 * library.c: see library.h. Replies become Lua values, and Lua values replies, as the Redis manual says ("Lua API", type conversion):
 * nil is false, an array ends at its first nil, a number is cut to an integer.
 */
#include "tests/sim/library.h"

#include <fnmatch.h>
#include <hiredis/hiredis.h>
#include <lauxlib.h>
#include <lua.h>
#include <lualib.h>
#include <stdlib.h>
#include <string.h>

#include "tests/sim/keyspace.h"
#include "tests/sim/world.h"

enum { LIBRARY_ARGS = 4096, LIBRARY_KEY_BYTES = 512 };

struct library {
        lua_State *lua;
        struct keyspace *keys; /* of the call under way */
        void (*publish)(struct slice channel, struct slice message);
};

/* One command under way. */
struct command {
        lua_State *lua;
        struct library *library;
        struct keyspace *keys;
        size_t argc;
        const struct slice *argv;
};

static void push_text(lua_State *lua, struct slice text) {
        if (text.ptr)
                lua_pushlstring(lua, text.ptr, text.len);
        else
                lua_pushboolean(lua, 0);
}

static void push_int(lua_State *lua, uint64_t value) {
        lua_pushnumber(lua, (lua_Number)value);
}

static long long to_int(struct slice text) {
        return strtoll(text.ptr, NULL, 10);
}

/* ---- commands: each pushes its reply ---- */

static void do_hget(struct command *c) {
        push_text(c->lua, keyspace_field(c->keys, c->argv[1], c->argv[2]));
}

static void do_hmget(struct command *c) {
        lua_createtable(c->lua, (int)c->argc, 0);
        for (size_t i = 2; i < c->argc; i++) {
                push_text(c->lua, keyspace_field(c->keys, c->argv[1], c->argv[i]));
                lua_rawseti(c->lua, -2, (int)i - 1);
        }
}

static void do_hset(struct command *c) {
        uint64_t fresh = 0;
        for (size_t i = 2; i + 1 < c->argc; i += 2)
                fresh += keyspace_set_field(c->keys, c->argv[1], c->argv[i], c->argv[i + 1]);
        push_int(c->lua, fresh);
}

static void do_hsetnx(struct command *c) {
        bool there = keyspace_field(c->keys, c->argv[1], c->argv[2]).ptr != NULL;
        if (!there)
                keyspace_set_field(c->keys, c->argv[1], c->argv[2], c->argv[3]);
        push_int(c->lua, !there);
}

static void do_hdel(struct command *c) {
        uint64_t count = 0;
        for (size_t i = 2; i < c->argc; i++)
                count += keyspace_delete_field(c->keys, c->argv[1], c->argv[i]);
        push_int(c->lua, count);
}

static void do_hexists(struct command *c) {
        push_int(c->lua, keyspace_field(c->keys, c->argv[1], c->argv[2]).ptr != NULL);
}

static void do_hlen(struct command *c) {
        push_int(c->lua, keyspace_fields(c->keys, c->argv[1]));
}

static void push_hash(struct command *c, bool names, bool values) {
        const void *position = NULL;
        struct slice field, value;
        int count = 0;
        lua_newtable(c->lua);
        while (keyspace_next(c->keys, c->argv[1], &position, &field, &value)) {
                if (names) {
                        push_text(c->lua, field);
                        lua_rawseti(c->lua, -2, ++count);
                }
                if (values) {
                        push_text(c->lua, value);
                        lua_rawseti(c->lua, -2, ++count);
                }
        }
}

static void do_hgetall(struct command *c) {
        push_hash(c, true, true);
}

static void do_hkeys(struct command *c) {
        push_hash(c, true, false);
}

static void do_hvals(struct command *c) {
        push_hash(c, false, true);
}

/* HRANDFIELD key count WITHVALUES: so many different fields, one behind the other from some place on. */
static void do_hrandfield(struct command *c) {
        uint64_t fields = keyspace_fields(c->keys, c->argv[1]), most = (uint64_t)to_int(c->argv[2]);
        uint64_t first = fields > most ? world_chance(fields - most + 1) : 0, at = 0;
        const void *position = NULL;
        struct slice field, value;
        int count = 0;
        lua_newtable(c->lua);
        for (; keyspace_next(c->keys, c->argv[1], &position, &field, &value); at++) {
                if (at < first || at >= first + most)
                        continue;
                push_text(c->lua, field);
                lua_rawseti(c->lua, -2, ++count);
                push_text(c->lua, value);
                lua_rawseti(c->lua, -2, ++count);
        }
}

static void do_get(struct command *c) {
        push_text(c->lua, keyspace_get(c->keys, c->argv[1]));
}

static void do_mget(struct command *c) {
        lua_createtable(c->lua, (int)c->argc, 0);
        for (size_t i = 1; i < c->argc; i++) {
                push_text(c->lua, keyspace_get(c->keys, c->argv[i]));
                lua_rawseti(c->lua, -2, (int)i);
        }
}

static void do_set(struct command *c) {
        keyspace_set(c->keys, c->argv[1], c->argv[2]);
        lua_pushboolean(c->lua, 1);
}

static void do_incr(struct command *c) {
        struct slice before = keyspace_get(c->keys, c->argv[1]);
        char text[24];
        long long value = (before.ptr ? to_int(before) : 0) + 1;
        int len = snprintf(text, sizeof(text), "%lld", value);
        keyspace_set(c->keys, c->argv[1], (struct slice){ text, (size_t)len });
        push_int(c->lua, (uint64_t)value);
}

static void do_del(struct command *c) {
        for (size_t i = 1; i < c->argc; i++)
                keyspace_delete(c->keys, c->argv[i]);
        push_int(c->lua, c->argc - 1);
}

static void do_exists(struct command *c) {
        uint64_t count = 0;
        for (size_t i = 1; i < c->argc; i++)
                count += keyspace_exists(c->keys, c->argv[i]);
        push_int(c->lua, count);
}

static void do_rename(struct command *c) {
        lua_pushboolean(c->lua, keyspace_rename(c->keys, c->argv[1], c->argv[2]));
}

static void do_pexpire(struct command *c) {
        keyspace_expire(c->keys, c->argv[1], world_ms() + (uint64_t)to_int(c->argv[2]));
        push_int(c->lua, 1);
}

static void do_persist(struct command *c) {
        keyspace_expire(c->keys, c->argv[1], UINT64_MAX);
        push_int(c->lua, 1);
}

static void do_llen(struct command *c) {
        push_int(c->lua, keyspace_length(c->keys, c->argv[1]));
}

static void do_rpush(struct command *c) {
        size_t length = 0;
        for (size_t i = 2; i < c->argc; i++)
                length = keyspace_insert(c->keys, c->argv[1], SIZE_MAX, c->argv[i]);
        push_int(c->lua, length);
}

/* Start and stop as LRANGE has them; count 0: nothing lies between. */
static void range_of(struct command *c, size_t *ret_first, size_t *ret_count) {
        long long length = (long long)keyspace_length(c->keys, c->argv[1]);
        long long start = to_int(c->argv[2]), stop = to_int(c->argv[3]);
        start = start < 0 ? start + length : start;
        start = start < 0 ? 0 : start;
        stop = stop < 0 ? stop + length : stop;
        stop = stop >= length ? length - 1 : stop;
        *ret_first = (size_t)start;
        *ret_count = stop < start ? 0 : (size_t)(stop - start + 1);
}

static void do_lrange(struct command *c) {
        size_t first, count;
        range_of(c, &first, &count);
        lua_createtable(c->lua, (int)count, 0);
        for (size_t i = 0; i < count; i++) {
                push_text(c->lua, keyspace_item(c->keys, c->argv[1], first + i));
                lua_rawseti(c->lua, -2, (int)i + 1);
        }
}

static void do_ltrim(struct command *c) {
        size_t first, count;
        range_of(c, &first, &count);
        keyspace_trim(c->keys, c->argv[1], first, count);
        lua_pushboolean(c->lua, 1);
}

/* Of something that is there, and without telling what. */
static void do_rpop(struct command *c) {
        keyspace_trim(c->keys, c->argv[1], 0, keyspace_length(c->keys, c->argv[1]) - 1);
        lua_pushboolean(c->lua, 1);
}

/* LINDEX key index, LSET key index value: an index from the start. */
static void do_lindex(struct command *c) {
        push_text(c->lua, keyspace_item(c->keys, c->argv[1], (size_t)to_int(c->argv[2])));
}

static void do_lset(struct command *c) {
        WORLD_DEMAND(keyspace_set_item(c->keys, c->argv[1], (size_t)to_int(c->argv[2]), c->argv[3]), "an LSET of nothing");
        lua_pushboolean(c->lua, 1);
}

/* SCAN cursor MATCH pattern COUNT count: the cursor is a place in order of age. Keys that go meanwhile may hide others from one walk. */
static void do_scan(struct command *c) {
        size_t at = (size_t)to_int(c->argv[1]), most = (size_t)to_int(c->argv[5]);
        struct slice key = { 0 };
        char next[24], name[LIBRARY_KEY_BYTES];
        int count = 0;
        lua_createtable(c->lua, 2, 0);
        lua_newtable(c->lua);
        for (; most && (key = keyspace_key(c->keys, at)).ptr; at++, most--) {
                snprintf(name, sizeof(name), "%.*s", (int)key.len, key.ptr);
                if (fnmatch(c->argv[3].ptr, name, 0) != 0)
                        continue;
                push_text(c->lua, key);
                lua_rawseti(c->lua, -2, ++count);
        }
        snprintf(next, sizeof(next), "%zu", keyspace_key(c->keys, at).ptr ? at : (size_t)0);
        lua_pushstring(c->lua, next);
        lua_rawseti(c->lua, -3, 1);
        lua_rawseti(c->lua, -2, 2);
}

static void do_zadd(struct command *c) {
        push_int(c->lua, keyspace_add_member(c->keys, c->argv[1], strtod(c->argv[2].ptr, NULL), c->argv[3]));
}

static void do_zrem(struct command *c) {
        push_int(c->lua, keyspace_remove_member(c->keys, c->argv[1], c->argv[2]));
}

static void do_zcard(struct command *c) {
        push_int(c->lua, keyspace_length(c->keys, c->argv[1]));
}

static void push_score(lua_State *lua, double score) {
        char text[32];
        snprintf(text, sizeof(text), "%.17g", score);
        lua_pushstring(lua, text);
}

static void do_zscore(struct command *c) {
        struct slice member;
        double score;
        for (size_t i = 0; (member = keyspace_member(c->keys, c->argv[1], i, &score)).ptr; i++) {
                if (!slice_equal(member, c->argv[2]))
                        continue;
                push_score(c->lua, score);
                return;
        }
        lua_pushboolean(c->lua, 0);
}

/* ZRANGE key start stop [WITHSCORES], and ZRANGE key low high BYSCORE LIMIT offset count. */
static void do_zrange(struct command *c) {
        bool by_score = c->argc > 4 && slice_is(c->argv[4], "BYSCORE"), with_scores = c->argc > 4 && slice_is(c->argv[4], "WITHSCORES");
        double low = by_score ? strtod(c->argv[2].ptr, NULL) : 0, high = by_score ? strtod(c->argv[3].ptr, NULL) : 0, score;
        size_t first = 0, most = SIZE_MAX;
        struct slice member;
        int count = 0;
        if (by_score && c->argc > 7)
                most = (size_t)to_int(c->argv[7]);
        else if (!by_score)
                range_of(c, &first, &most);
        lua_newtable(c->lua);
        for (size_t i = first, taken = 0; taken < most && (member = keyspace_member(c->keys, c->argv[1], i, &score)).ptr; i++) {
                if (by_score && (score < low || score > high))
                        continue;
                taken++;
                push_text(c->lua, member);
                lua_rawseti(c->lua, -2, ++count);
                if (with_scores) {
                        push_score(c->lua, score);
                        lua_rawseti(c->lua, -2, ++count);
                }
        }
}

static void do_time(struct command *c) {
        char text[32];
        lua_createtable(c->lua, 2, 0);
        snprintf(text, sizeof(text), "%lld", (long long)(world_wall_ms() / 1000));
        lua_pushstring(c->lua, text);
        lua_rawseti(c->lua, -2, 1);
        snprintf(text, sizeof(text), "%lld", (long long)(world_wall_ms() % 1000 * 1000));
        lua_pushstring(c->lua, text);
        lua_rawseti(c->lua, -2, 2);
}

static void do_spublish(struct command *c) {
        c->library->publish(c->argv[1], c->argv[2]);
        push_int(c->lua, 1);
}

static const struct {
        const char *name;
        void (*run)(struct command *c);
} commands[] = {
        { "HGET", do_hget },         { "HMGET", do_hmget },         { "HSET", do_hset },         { "RPUSH", do_rpush },
        { "ZRANGE", do_zrange },     { "LLEN", do_llen },           { "INCR", do_incr },         { "SPUBLISH", do_spublish },
        { "HEXISTS", do_hexists },   { "TIME", do_time },           { "RPOP", do_rpop },          { "LRANGE", do_lrange },
        { "HDEL", do_hdel },         { "HGETALL", do_hgetall },     { "HKEYS", do_hkeys },       { "HVALS", do_hvals },
        { "HLEN", do_hlen },         { "HSETNX", do_hsetnx },       { "LTRIM", do_ltrim },       { "LINDEX", do_lindex },
        { "LSET", do_lset },         { "SCAN", do_scan },           { "ZADD", do_zadd },         { "ZREM", do_zrem },         { "ZSCORE", do_zscore },
        { "ZCARD", do_zcard },       { "GET", do_get },             { "MGET", do_mget },           { "SET", do_set },             { "DEL", do_del },           { "UNLINK", do_del },           { "EXISTS", do_exists },
        { "RENAME", do_rename },     { "PEXPIRE", do_pexpire },     { "PERSIST", do_persist },   { "HRANDFIELD", do_hrandfield },
};

static struct library *library_of(lua_State *lua) {
        lua_getfield(lua, LUA_REGISTRYINDEX, "library");
        struct library *library = lua_touserdata(lua, -1);
        lua_pop(lua, 1);
        return library;
}

static int on_call(lua_State *lua) {
        static struct slice argv[LIBRARY_ARGS];
        struct library *library = library_of(lua);
        struct command c = { .lua = lua, .library = library, .keys = library->keys, .argc = (size_t)lua_gettop(lua), .argv = argv };
        WORLD_DEMAND(c.argc <= LIBRARY_ARGS, "too many arguments for a command");
        for (size_t i = 0; i < c.argc; i++)
                argv[i].ptr = luaL_checklstring(lua, (int)i + 1, &argv[i].len);
        for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
                if (!slice_is(argv[0], commands[i].name))
                        continue;
                commands[i].run(&c);
                return 1;
        }
        world_fail("the model of Redis has no command %s", argv[0].ptr);
}

/* redis.set_repl(): there is no log of commands to keep anything out of. */
static int on_set_repl(lua_State *lua) {
        return 0;
}

/* redis.register_function(name, callback), or of a table with both. */
static int on_register(lua_State *lua) {
        if (lua_istable(lua, 1)) {
                lua_getfield(lua, 1, "function_name");
                lua_getfield(lua, 1, "callback");
                lua_remove(lua, 1);
        }
        lua_getfield(lua, LUA_REGISTRYINDEX, "functions");
        lua_insert(lua, 1);
        lua_settable(lua, 1);
        return 0;
}

struct library *library_free(struct library *library) {
        if (!library)
                return NULL;
        lua_close(library->lua);
        free(library);
        return NULL;
}

struct library *library_new(struct slice text, void (*publish)(struct slice channel, struct slice message)) {
        struct library *library = calloc(1, sizeof(*library));
        const char *line = memchr(text.ptr, '\n', text.len); /* behind the shebang */
        if (!library || !line)
                abort();
        library->publish = publish;
        library->lua = luaL_newstate();
        luaL_openlibs(library->lua);
        lua_pushlightuserdata(library->lua, library);
        lua_setfield(library->lua, LUA_REGISTRYINDEX, "library");
        lua_newtable(library->lua);
        lua_setfield(library->lua, LUA_REGISTRYINDEX, "functions");
        lua_newtable(library->lua);
        lua_pushcfunction(library->lua, on_call);
        lua_setfield(library->lua, -2, "call");
        lua_pushcfunction(library->lua, on_register);
        lua_setfield(library->lua, -2, "register_function");
        lua_pushcfunction(library->lua, on_set_repl);
        lua_setfield(library->lua, -2, "set_repl");
        lua_setglobal(library->lua, "redis");
        if (luaL_loadbuffer(library->lua, line, text.len - (size_t)(line - text.ptr), "belfry") || lua_pcall(library->lua, 0, 0, 0))
                world_fail("the library does not load: %s", lua_tostring(library->lua, -1));
        return library;
}

/* ---- calls ---- */

struct redisReply *library_reply(int type, long long integer, struct slice text, size_t elements) {
        struct redisReply *reply = calloc(1, sizeof(*reply));
        if (!reply)
                abort();
        reply->type = type;
        reply->integer = integer;
        if (text.ptr) {
                reply->str = malloc(text.len + 1);
                if (!reply->str)
                        abort();
                memcpy(reply->str, text.ptr, text.len);
                reply->str[text.len] = '\0';
                reply->len = text.len;
        }
        if (elements) {
                reply->elements = elements;
                reply->element = calloc(elements, sizeof(*reply->element));
                if (!reply->element)
                        abort();
        }
        return reply;
}

/* Of the value on top of the stack, which is taken. */
static struct redisReply *reply_of(lua_State *lua) {
        struct redisReply *reply;
        struct slice text = { 0 };
        size_t count = 0;
        switch (lua_type(lua, -1)) {
        case LUA_TNUMBER:
                reply = library_reply(REDIS_REPLY_INTEGER, (long long)lua_tonumber(lua, -1), text, 0);
                break;
        case LUA_TSTRING:
                text.ptr = lua_tolstring(lua, -1, &text.len);
                reply = library_reply(REDIS_REPLY_STRING, 0, text, 0);
                break;
        case LUA_TTABLE:
                for (bool more = true; more; count += more) {
                        lua_rawgeti(lua, -1, (int)count + 1);
                        more = !lua_isnil(lua, -1);
                        lua_pop(lua, 1);
                }
                reply = library_reply(REDIS_REPLY_ARRAY, 0, text, count);
                for (size_t i = 0; i < count; i++) {
                        lua_rawgeti(lua, -1, (int)i + 1);
                        reply->element[i] = reply_of(lua);
                }
                break;
        case LUA_TBOOLEAN:
                reply = lua_toboolean(lua, -1) ? library_reply(REDIS_REPLY_INTEGER, 1, text, 0) : library_reply(REDIS_REPLY_NIL, 0, text, 0);
                break;
        default:
                reply = library_reply(REDIS_REPLY_NIL, 0, text, 0);
                break;
        }
        lua_pop(lua, 1);
        return reply;
}

struct redisReply *library_call(struct library *library, struct keyspace *keys, struct slice name, size_t keys_count, size_t argc,
                                const struct slice *argv) {
        lua_State *lua = library->lua;
        library->keys = keys;
        lua_getfield(lua, LUA_REGISTRYINDEX, "functions");
        lua_pushlstring(lua, name.ptr, name.len);
        lua_gettable(lua, -2);
        lua_remove(lua, -2);
        if (lua_isnil(lua, -1)) {
                lua_pop(lua, 1);
                return NULL;
        }
        lua_createtable(lua, (int)keys_count, 0);
        for (size_t i = 0; i < keys_count; i++) {
                lua_pushlstring(lua, argv[i].ptr, argv[i].len);
                lua_rawseti(lua, -2, (int)i + 1);
        }
        lua_createtable(lua, (int)(argc - keys_count), 0);
        for (size_t i = keys_count; i < argc; i++) {
                lua_pushlstring(lua, argv[i].ptr, argv[i].len);
                lua_rawseti(lua, -2, (int)(i - keys_count) + 1);
        }
        if (lua_pcall(lua, 2, 1, 0))
                world_fail("%.*s fails: %s", (int)name.len, name.ptr, lua_tostring(lua, -1));
        return reply_of(lua);
}
