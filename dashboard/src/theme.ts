// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

import { createTheme, type MantineColorsTuple, rem } from '@mantine/core';

const leaf: MantineColorsTuple = [
  '#e9f8f2',
  '#d3ede3',
  '#a5dcc6',
  '#73caa7',
  '#4bbb8d',
  '#31b17c',
  '#1f9d6b',
  '#0b7a52',
  '#086a47',
  '#00573a',
];
const slate: MantineColorsTuple = [
  '#c6ccd4',
  '#a3acb8',
  '#868f9c',
  '#5d6673',
  '#3a424d',
  '#2b323b',
  '#20262d',
  '#181d23',
  '#12161b',
  '#0c0f13',
];

export const theme = createTheme({
  primaryColor: 'leaf',
  primaryShade: 7,
  colors: { leaf, dark: slate },
  fontFamily: "'Inter Variable', system-ui, sans-serif",
  fontFamilyMonospace: "'JetBrains Mono Variable', ui-monospace, monospace",
  fontSizes: { xs: rem(12), sm: rem(13), md: rem(14), lg: rem(16), xl: rem(20) },
  defaultRadius: 'md',
  radius: { sm: rem(4), md: rem(6), lg: rem(10) },
  headings: {
    fontWeight: '600',
    sizes: {
      h1: { fontSize: rem(22), lineHeight: '1.3' },
      h2: { fontSize: rem(16), lineHeight: '1.4' },
      h3: { fontSize: rem(14), lineHeight: '1.4' },
    },
  },
  components: {
    Button: { defaultProps: { size: 'sm' } },
    TextInput: { defaultProps: { size: 'sm' } },
    Tooltip: {
      defaultProps: { withArrow: true, openDelay: 200, multiline: true, maw: 360, events: { hover: true, focus: true, touch: true } },
    },
    Modal: {
      defaultProps: {
        centered: true,
        radius: 'lg',
        overlayProps: { backgroundOpacity: 0.5, blur: 2 },
        closeButtonProps: { 'aria-label': 'Close' },
      },
    },
    Drawer: { defaultProps: { closeButtonProps: { 'aria-label': 'Close' } } },
    Paper: { defaultProps: { radius: 'lg' } },
    Table: { defaultProps: { verticalSpacing: 8, horizontalSpacing: 'md' } },
  },
});
