// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

import { Tooltip } from '@mantine/core';
import type { Tone } from './Status';
import { columns, dots, placeOf, rows } from './world';

export interface Place {
  name: string;
  country?: string;
  tone: Tone;
  /** text is what the place says of itself. */
  text: string;
}

/** WorldMap shows where places are. What has no country is not on it, and without any that has one there is no map: a list is always beside. */
export function WorldMap({ places, chosen, onChoose }: { places: Place[]; chosen?: string; onChoose: (name: string) => void }) {
  const placed = places.flatMap((place) => {
    const at = placeOf(place.country);
    return at ? [{ ...place, at }] : [];
  });
  if (placed.length === 0) return null;
  return (
    <div className="map">
      <svg viewBox={`0 0 ${columns} ${rows}`} width="100%" style={{ display: 'block' }} aria-hidden>
        <path d={dots} fill="none" stroke="var(--canopy-dots)" strokeWidth={0.62} strokeLinecap="round" />
      </svg>
      {placed.map((place) => {
        const together = placed.filter((other) => other.country === place.country);
        const shift = (together.indexOf(place) - (together.length - 1) / 2) * 16;
        return (
          <Tooltip
            key={place.name}
            label={
              <>
                <b>{place.name}</b>
                <br />
                {place.text}
              </>
            }
          >
            <button
              type="button"
              className="marker"
              data-tone={place.tone}
              data-chosen={place.name === chosen || undefined}
              aria-label={`${place.name} on the map: ${place.text}`}
              style={{ left: `calc(${place.at.x * 100}% + ${shift}px)`, top: `${place.at.y * 100}%` }}
              onClick={() => onChoose(place.name)}
            />
          </Tooltip>
        );
      })}
    </div>
  );
}
