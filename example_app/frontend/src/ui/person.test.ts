import { describe, expect, it } from 'vitest';

import css from '../index.css?raw';
import { hueOf, initialsOf } from './person';

const LEAST_CONTRAST = 4.5;

it.each([
  ['alice', 'a'],
  ['bob.smith', 'bs'],
  ['Anna Maria Holm', 'AH'],
  ['  eva ', 'e'],
  ['carol@example.org', 'co'],
  ['👩‍🚀 Ada', '👩‍🚀A'],
  ['-', '-'],
  ['', ''],
])('shortens %j to %j', (name, initials) => {
  expect(initialsOf(name)).toBe(initials);
});

describe('the colour of a person', () => {
  it('is always the same, and another one for the next', () => {
    const hues = Array.from({ length: 12 }, (_, index) => hueOf(String(index + 1)));
    expect(hueOf('1')).toBe(hues[0]);
    expect(new Set(hues).size).toBe(12);
    for (const hue of hues) expect(hue >= 0 && hue <= 360).toBe(true);
  });

  it.each(['light', 'dark'])('can be read whatever it is, in %s', (theme) => {
    const [background, text] = tints(theme === 'light' ? 0 : 1);
    for (let hue = 0; hue <= 360; hue += 1) {
      expect(contrast(luminance(background, hue), luminance(text, hue)), `hue ${hue}`).toBeGreaterThan(LEAST_CONTRAST);
    }
  });
});

type Tint = [lightness: number, chroma: number];

/** The tints of the style sheet: those of the background and of the text. */
function tints(theme: number): [Tint, Tint] {
  const rule = /@utility tinted \{([^}]*)\}/.exec(css)?.[1] ?? '';
  const found = [...rule.matchAll(/oklch\(([\d.]+) ([\d.]+) var\(--hue\)\)/g)].map((match): Tint => [Number(match[1]), Number(match[2])]);
  expect(found).toHaveLength(4);
  return [found[theme] as Tint, found[2 + theme] as Tint];
}

/** The relative luminance of a colour, by way of linear sRGB, whose gamut it is clipped to. */
function luminance([lightness, chroma]: Tint, hue: number): number {
  const [a, b] = [chroma * Math.cos((hue * Math.PI) / 180), chroma * Math.sin((hue * Math.PI) / 180)];
  const l = (lightness + 0.3963377774 * a + 0.2158037573 * b) ** 3;
  const m = (lightness - 0.1055613458 * a - 0.0638541728 * b) ** 3;
  const s = (lightness - 0.0894841775 * a - 1.291485548 * b) ** 3;
  const clip = (value: number) => Math.min(1, Math.max(0, value));
  const red = clip(4.0767416621 * l - 3.3077115913 * m + 0.2309699292 * s);
  const green = clip(-1.2684380046 * l + 2.6097574011 * m - 0.3413193965 * s);
  const blue = clip(-0.0041960863 * l - 0.7034186147 * m + 1.707614701 * s);
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
}

const contrast = (one: number, other: number) => (Math.max(one, other) + 0.05) / (Math.min(one, other) + 0.05);
