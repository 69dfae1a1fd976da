import assert from 'node:assert/strict'
import { readFileSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'

const root = join(import.meta.dirname, '..', '..')
const sources = join(root, 'agent', 'src')

/// The rooms of agent/src in the order of the table in docs/architecture.md.
function rooms(): string[] {
    const text = readFileSync(join(root, 'docs', 'architecture.md'), 'utf8')
    const table = text.slice(text.indexOf('`agent/src` has rooms.'), text.indexOf('**A driver**'))
    return [...table.matchAll(/^\| `(\w+)\/` \|/gm)].map((row) => row[1])
}

test('a room of the agent uses only those above it', () => {
    const order = rooms()
    const places = readdirSync(sources, { recursive: true, encoding: 'utf8' }).filter((file) => /\.[ch]pp$/.test(file))
    const present = new Set(places.filter((file) => file.includes('/')).map((file) => file.split('/')[0]))
    assert.deepEqual([...present].sort(), [...order].sort())
    const wrong: string[] = []
    let seen = 0
    for (const file of places) {
        const room = file.split('/')[0]
        if (!order.includes(room)) continue // main.cpp
        for (const [, other] of readFileSync(join(sources, file), 'utf8').matchAll(/^#include "(\w+)\//gm)) {
            if (other === 'consortium') continue
            ++seen
            if (!order.slice(0, order.indexOf(room) + 1).includes(other)) wrong.push(`${file} includes from ${other}/`)
        }
    }
    assert.ok(seen > 100)
    assert.deepEqual(wrong, [])
})
