// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

import { Menu, Text, UnstyledButton } from '@mantine/core';
import { Link, useParams } from '@tanstack/react-router';
import {
  Boxes,
  Building2,
  Check,
  ChevronsUpDown,
  Container,
  FileClock,
  FolderKanban,
  Gauge,
  Globe,
  House,
  KeyRound,
  KeySquare,
  Layers,
  LayoutTemplate,
  type LucideIcon,
  Megaphone,
  Rocket,
  Settings,
  Sprout,
  UserCog,
  Users,
} from 'lucide-react';
import type { ReactNode } from 'react';
import { useSelf } from '../me';

function Item({ to, icon: Icon, children, exact }: { to: string; icon: LucideIcon; children: ReactNode; exact?: boolean }) {
  return (
    <Link to={to} className="nav" activeOptions={{ exact, includeSearch: false }}>
      <Icon size={16} />
      {children}
    </Link>
  );
}

/** Navigation is what the whole platform has, what the project has that is looked at, and what administrators have. */
export function Navigation() {
  const self = useSelf();
  const params = useParams({ strict: false });
  const names = self?.projects.map((project) => project.name) ?? [];
  const remembered = localStorage.getItem('project') ?? '';
  const project = params.project ?? (names.includes(remembered) ? remembered : names[0]);
  return (
    <nav aria-label="Main">
      <Item to="/" icon={House} exact>
        Home
      </Item>
      <Item to="/clusters" icon={Boxes}>
        All clusters
      </Item>
      {project && (
        <>
          <div className="navtitle">Project</div>
          <ProjectSwitch project={project} />
          <Item to={`/projects/${project}`} icon={Gauge} exact>
            Overview
          </Item>
          <Item to={`/projects/${project}/clusters`} icon={Container}>
            Clusters
          </Item>
          <Item to={`/projects/${project}/members`} icon={Users}>
            Members
          </Item>
          <Item to={`/projects/${project}/serviceaccounts`} icon={UserCog}>
            Service accounts
          </Item>
          <Item to={`/projects/${project}/sshkeys`} icon={KeyRound}>
            SSH keys
          </Item>
          <Item to={`/projects/${project}/presets`} icon={KeySquare}>
            Presets
          </Item>
          <Item to={`/projects/${project}/templates`} icon={LayoutTemplate}>
            Templates
          </Item>
          <Item to={`/projects/${project}/clustersets`} icon={Layers}>
            Cluster sets
          </Item>
          <Item to={`/projects/${project}/audit`} icon={FileClock}>
            Audit
          </Item>
          <Item to={`/projects/${project}/settings`} icon={Settings}>
            Settings
          </Item>
        </>
      )}
      {(self?.admin || self?.globalViewer) && (
        <>
          <div className="navtitle">Platform</div>
          <Item to="/admin" icon={Globe} exact>
            Fleet
          </Item>
          <Item to="/admin/seeds" icon={Sprout}>
            Seeds
          </Item>
          <Item to="/admin/datacenters" icon={Building2}>
            Datacenters
          </Item>
          <Item to="/admin/presets" icon={KeySquare}>
            Presets
          </Item>
          <Item to="/admin/releases" icon={Rocket}>
            Releases
          </Item>
          <Item to="/admin/users" icon={UserCog}>
            Users
          </Item>
          <Item to="/admin/announcements" icon={Megaphone}>
            Announcements
          </Item>
          <Item to="/admin/audit" icon={FileClock}>
            Audit
          </Item>
          <Item to="/admin/settings" icon={Settings}>
            Settings
          </Item>
        </>
      )}
    </nav>
  );
}

function ProjectSwitch({ project }: { project: string }) {
  const projects = useSelf()?.projects ?? [];
  const current = projects.find((membership) => membership.name === project);
  return (
    <Menu position="bottom-start" width={240}>
      <Menu.Target>
        <UnstyledButton
          className="card"
          style={{
            display: 'flex',
            alignItems: 'center',
            gap: 8,
            width: '100%',
            padding: '6px 10px',
            margin: '2px 0 6px',
            borderRadius: 6,
          }}
        >
          <FolderKanban size={16} style={{ flex: 'none' }} />
          <Text size="sm" fw={550} truncate style={{ flex: 1 }}>
            {current?.displayName || project}
          </Text>
          <ChevronsUpDown size={14} />
        </UnstyledButton>
      </Menu.Target>
      <Menu.Dropdown mah={360} style={{ overflowY: 'auto' }}>
        <Menu.Label>Projects</Menu.Label>
        {projects.slice(0, 100).map((membership) => (
          <Menu.Item
            key={membership.name}
            component={Link}
            to={`/projects/${membership.name}`}
            rightSection={membership.name === project ? <Check size={14} /> : undefined}
          >
            {membership.displayName || membership.name}
          </Menu.Item>
        ))}
      </Menu.Dropdown>
    </Menu>
  );
}
